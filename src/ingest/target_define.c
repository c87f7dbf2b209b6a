/* From a discovered label set to a target. The rules are Prometheus's (scrape/target.go,
 * PopulateLabels, as documented under relabel_config). */
#include "ingest/target.h"

#include "base/num.h"

#define ADDRESS "__address__"
#define SCHEME "__scheme__"
#define PATH "__metrics_path__"
#define INTERVAL "__scrape_interval__"
#define TIMEOUT "__scrape_timeout__"
#define PARAM "__param_"

static void set_default(struct labels_builder *b, const char *name, struct str value)
{
    if (labels_builder_get(b, str_from(name)).n == 0)
        labels_builder_set(b, str_from(name), value);
}

static struct str duration(struct arena *arena, int64_t ms)
{
    struct buf text = BUF_INIT;
    num_add_duration(&text, ms);
    struct str s = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return s;
}

static void set_defaults(struct labels_builder *b, const struct scrape_config *config)
{
    set_default(b, "job", str_from(config->job_name));
    set_default(b, SCHEME, str_from(config->scheme));
    set_default(b, PATH, str_from(config->metrics_path));
    set_default(b, INTERVAL, duration(b->arena, config->interval_ms));
    set_default(b, TIMEOUT, duration(b->arena, config->timeout_ms));
    for (size_t i = 0; i < config->params.n; i++) {
        const struct label *l = &config->params.v[i];
        char *name = arena_printf(b->arena, PARAM STR_FMT, STR_ARG(l->name));
        labels_builder_set(b, str_from(name), l->value);
    }
}

/* --- The URL --- */

static void add_escaped(struct buf *out, struct str s, const char *allowed)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c && strchr(allowed, c));
        if (plain)
            buf_add_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* The parameters of the configuration and those of labels, which win; labels are sorted. */
static void add_parameters(struct buf *out, struct labels labels)
{
    char separator = '?';
    for (size_t i = 0; i < labels.n; i++) {
        struct str name = labels.v[i].name;
        if (!str_starts(name, STR(PARAM)))
            continue;
        buf_add_char(out, separator);
        add_escaped(out, str_make(name.p + strlen(PARAM), name.n - strlen(PARAM)), "-_.~");
        buf_add_char(out, '=');
        add_escaped(out, labels.v[i].value, "-_.~");
        separator = '&';
    }
}

static const char *make_url(struct arena *arena, struct labels labels)
{
    struct buf out = BUF_INIT;
    struct str path = labels_get(labels, PATH);
    buf_printf(&out, STR_FMT "://" STR_FMT, STR_ARG(labels_get(labels, SCHEME)),
               STR_ARG(labels_get(labels, ADDRESS)));
    if (path.n == 0 || path.p[0] != '/')
        buf_add_char(&out, '/');
    add_escaped(&out, path, "-_.~/:@!$&'()*+,;=");
    add_parameters(&out, labels);
    const char *url = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return url;
}

/* host, host:port or [v6]:port, and nothing that would make it another URL. */
static bool check_address(struct str address, struct err *err)
{
    if (address.n == 0)
        return err_set(err, ERR_BAD_INPUT, "the target has no address");
    for (size_t i = 0; i < address.n; i++) {
        unsigned char c = (unsigned char)address.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\%\"<>", c))
            return err_set(err, ERR_BAD_INPUT,
                           "'" STR_FMT "' is not an address; it is host:port, without scheme "
                           "and path",
                           STR_ARG(address));
    }
    return address.p[address.n - 1] != ':' ||
           err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' has no port behind the colon",
                   STR_ARG(address));
}

static bool check_scheme(struct str scheme, struct err *err)
{
    return str_is(scheme, "http") || str_is(scheme, "https") ||
           err_set(err, ERR_BAD_INPUT, "'" STR_FMT "' is not a scheme; http and https are",
                   STR_ARG(scheme));
}

static bool read_duration(struct labels labels, const char *name, int64_t *out_ms, struct err *err)
{
    struct str text = labels_get(labels, name);
    if (num_parse_duration_ms(text, out_ms) && *out_ms > 0)
        return true;
    return err_set(err, ERR_BAD_INPUT, "%s '" STR_FMT "' is not a duration over 0", name,
                   STR_ARG(text));
}

static bool read_times(struct target_definition *d, struct labels labels, struct err *err)
{
    if (!read_duration(labels, INTERVAL, &d->interval_ms, err) ||
        !read_duration(labels, TIMEOUT, &d->timeout_ms, err))
        return false;
    if (d->interval_ms < 100)
        return err_set(err, ERR_BAD_INPUT, "%s is below 100ms", INTERVAL);
    if (d->timeout_ms > d->interval_ms)
        return err_set(err, ERR_BAD_INPUT, "%s is longer than %s", TIMEOUT, INTERVAL);
    return true;
}

/* Names in front with two underscores are for relabeling only. */
static struct labels public_labels(struct arena *arena, struct labels labels)
{
    struct label *v = ARENA_ARRAY(arena, struct label, labels.n);
    size_t n = 0;
    for (size_t i = 0; i < labels.n; i++) {
        if (!str_starts(labels.v[i].name, STR("__")))
            v[n++] = labels.v[i];
    }
    return (struct labels){n, v};
}

enum target_fate target_define(struct target_definition *d, struct arena *arena,
                               const struct scrape_config *config, struct labels discovered,
                               struct err *err)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, discovered);
    set_defaults(&b, config);
    *d = (struct target_definition){.config = config};
    d->discovered = labels_copy(arena, labels_build(&b));
    if (!relabel_apply(config->relabels, config->n_relabels, &b))
        return TARGET_DROPPED;
    set_default(&b, "instance", labels_builder_get(&b, STR(ADDRESS)));
    struct labels all = labels_build(&b);
    if (!check_address(labels_get(all, ADDRESS), err) ||
        !check_scheme(labels_get(all, SCHEME), err) || !read_times(d, all, err))
        return TARGET_BAD;
    for (size_t i = 0; i < all.n; i++) {
        if (!str_is_utf8(all.v[i].value)) {
            err_set(err, ERR_BAD_INPUT, "label '" STR_FMT "' is not valid UTF-8",
                    STR_ARG(all.v[i].name));
            return TARGET_BAD;
        }
    }
    d->url = make_url(arena, all);
    d->labels = public_labels(arena, all);
    return TARGET_KEPT;
}

/* --- Settings --- */

static void add_text(struct buf *out, const char *text)
{
    buf_add(out, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void add_piece(struct buf *out, struct str s)
{
    buf_add_uvarint(out, s.n);
    buf_add_str(out, s);
}

static void add_relabel(struct buf *out, const struct relabel *r)
{
    buf_add_uvarint(out, (uint64_t)r->action);
    buf_add_uvarint(out, r->n_source_labels);
    for (size_t i = 0; i < r->n_source_labels; i++)
        add_piece(out, r->source_labels[i]);
    add_piece(out, r->separator);
    add_piece(out, regex_pattern(r->regex));
    buf_add_uvarint(out, r->modulus);
    add_piece(out, r->target_label);
    add_piece(out, r->replacement);
}

struct sha256 target_settings(const struct scrape_config *c)
{
    struct buf out = BUF_INIT;
    const struct http_access *access = &c->access;
    const char *const texts[] = {c->job_name,
                                 c->accept,
                                 access->username,
                                 access->password,
                                 access->password_file,
                                 access->bearer_token,
                                 access->bearer_token_file,
                                 access->tls_ca_file,
                                 access->tls_cert_file,
                                 access->tls_key_file,
                                 access->tls_server_name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(&out, texts[i]);
    const uint64_t numbers[] = {c->honor_labels,
                                c->honor_timestamps,
                                c->track_timestamps,
                                c->no_compression,
                                c->native_histograms,
                                c->classic_histograms,
                                c->fallback,
                                access->tls_skip_verify,
                                c->body_size_limit,
                                c->sample_limit,
                                c->label_limit,
                                c->label_name_length_limit,
                                c->label_value_length_limit,
                                c->n_metric_relabels};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        buf_add_uvarint(&out, numbers[i]);
    for (size_t i = 0; i < c->n_metric_relabels; i++)
        add_relabel(&out, &c->metric_relabels[i]);
    struct sha256 digest = sha256_of(out.p, out.n);
    buf_release(&out);
    return digest;
}
