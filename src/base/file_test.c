#include "base/file.h"

#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/cqed-file-test-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/f", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void replacing_leaves_the_old_or_the_new_file(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT;
    assert_true(file_replace(path, STR("old"), 0600, &err));
    assert_true(fault_arm("file.rename:once:errno=EROFS", &err));
    assert_false(file_replace(path, STR("new"), 0600, &err));
    assert_non_null(strstr(err.message, "Read-only file system"));
    assert_non_null(strstr(err.message, path));
    assert_true(file_read(path, 100, &b, &err));
    assert_string_equal(b.p, "old");
    assert_true(file_replace(path, STR("new"), 0600, &err));
    buf_clear(&b);
    assert_true(file_read(path, 100, &b, &err));
    assert_string_equal(b.p, "new");
    fault_disarm_all();
    buf_release(&b);
}

static void a_short_write_says_so_after_the_bytes_that_went_through(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    unlink(path);
    int fd = file_open_append(path, 0600, &err);
    assert_true(fd >= 0);
    assert_true(fault_arm("file.write:once:short=3:errno=ENOSPC", &err));
    assert_false(file_write_all(fd, path, "abcdef", 6, &err));
    assert_non_null(strstr(err.message, "No space left"));
    assert_int_equal(file_size(path), 3);
    assert_true(file_write_all(fd, path, "xyz", 3, &err));
    assert_int_equal(file_size(path), 6);
    fault_disarm_all();
    close(fd);
}

static void limits_and_absence_are_told_apart(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf b = BUF_INIT;
    assert_true(file_replace(path, STR("12345"), 0600, &err));
    assert_false(file_read(path, 4, &b, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(file_read("/nonexistent/x", 4, &b, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(file_size("/nonexistent/x"), -1);
    buf_release(&b);
}

static void a_folder_has_one_owner(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int first = file_lock(path, &err);
    assert_true(first >= 0);
    assert_int_equal(file_lock(path, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    close(first);
    int again = file_lock(path, &err);
    assert_true(again >= 0);
    close(again);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char deep[96], middle[96];
    snprintf(middle, sizeof middle, "%s/a", folder);
    snprintf(deep, sizeof deep, "%s/a/b", folder);
    assert_true(file_make_folders(deep, 0700, &err));
    assert_true(file_make_folders(deep, 0700, &err));
    assert_true(file_is_folder(deep));
    assert_int_equal(rmdir(deep) | rmdir(middle), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacing_leaves_the_old_or_the_new_file),
        cmocka_unit_test(a_short_write_says_so_after_the_bytes_that_went_through),
        cmocka_unit_test(limits_and_absence_are_told_apart),
        cmocka_unit_test(a_folder_has_one_owner),
        cmocka_unit_test(folders_are_made_with_their_parents),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
