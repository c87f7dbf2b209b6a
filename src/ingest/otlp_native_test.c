#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/otlp_rig_testing.h"

#define EXPONENTIAL(temporality, point)                                                            \
    BARE("{'name':'size','exponentialHistogram':{'aggregationTemporality':" temporality            \
         ",'dataPoints':[{" point "}]}}")

/* OTLP's bucket -1 is (b^-1, b^0]: Prometheus's bucket 0. */
static void cumulative_scene(struct rig *r)
{
    take(r, EXPONENTIAL("2", AT(200000) ",'count':'22','sum':9,'scale':1,'zeroCount':'2','positive'"
                                        ":{'offset':-1,'bucketCounts':['1','2','4','8']},"
                                        "'negative':{'offset':0,'bucketCounts':['5']}"));
    take(r, EXPONENTIAL("2", AT(210000) ",'count':'12','scale':1,'zeroThreshold':0.25,'positive'"
                                        ":{'offset':-10,'bucketCounts':['0','2','0','0','3','0',"
                                        "'0','0','7','0']}"));
    take(r, EXPONENTIAL("2", AT(220000) ",'flags':1"));
    take(r, EXPONENTIAL("2", AT(230000) ",'count':'0','scale':-4"));
    take(r, EXPONENTIAL("2", AT(240000) ",'count':'7','scale':10,'positive':{'offset':2,"
                                        "'bucketCounts':['1','2','4']}"));
    assert_holds(r, "size 220000:stale"
                    " 200000:{s 1 z 1e-128:2 c 22 sum 9 + 0:1,2,4,8 - 1:5}"
                    " 210000:{s 1 z 0.25:0 c 12 sum 0 + -8:2,0,0,3 3:7}"
                    " 230000:{s -4 z 1e-128:0 c 0 sum 0}"
                    " 240000:{s 8 z 1e-128:0 c 7 sum 0 + 1:3,4}\n");
}

static void an_exponential_histogram_is_a_native_one(void **state)
{
    (void)state;
    in_each_encoding(cumulative_scene);
}

static void refused_scene(struct rig *r)
{
    refuse(r, 1, "size: its scale is below -4",
           EXPONENTIAL("2", AT(210000) ",'count':1,'scale':-5,'positive':{'bucketCounts':[1]}"));
    refuse(r, 1, "size: bucket counts do not add up to the count",
           EXPONENTIAL("2", AT(210000) ",'count':2,'scale':0,'positive':{'bucketCounts':[1]}"));
    refuse(r, 1, "size: bucket counts do not add up to the count",
           EXPONENTIAL("2", AT(210000) ",'count':1,'scale':0,'zeroCount':'18446744073709551615',"
                                       "'positive':{'bucketCounts':[2]}"));
    refuse(r, 1, "size: its zero threshold is negative or not finite",
           EXPONENTIAL("2", AT(210000) ",'count':0,'zeroThreshold':-1"));
    refuse(r, 1, "size: its buckets end beyond the 32-bit numbers",
           EXPONENTIAL("2", AT(210000) ",'count':1,'positive':{'offset':2147483647,"
                                       "'bucketCounts':[1]}"));
    refuse(r, 1, "size: its aggregation temporality is neither delta nor cumulative",
           EXPONENTIAL("0", AT(210000) ",'count':0"));
    assert_holds(r, "");
    take(r, EXPONENTIAL("2", AT(210000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    take(r, EXPONENTIAL("2", AT(210000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    refuse(r, 1, "size: conflicting: the series has another value at this time",
           EXPONENTIAL("2", AT(210000) ",'count':2,'positive':{'bucketCounts':[2]}"));
    refuse(r, 1, "size: out_of_order: the series has a newer sample",
           EXPONENTIAL("2", AT(200000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    refuse(r, 1, "size: too_far_ahead: over 10 minutes in the future",
           EXPONENTIAL("2", AT(1600001) ",'count':1,'positive':{'bucketCounts':[1]}"));
}

static void what_is_no_histogram_is_refused(void **state)
{
    (void)state;
    in_each_encoding(refused_scene);
}

/* A restart, told by its start time, begins at an empty one. */
static void start_scene(struct rig *r)
{
    take(r, EXPONENTIAL("2", FROM(150000) AT(200000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    take(r, EXPONENTIAL("2", FROM(150000) AT(210000) ",'count':3,'positive':{'bucketCounts':[3]}"));
    take(r, EXPONENTIAL("2", FROM(215000) AT(220000) ",'count':4,'positive':{'bucketCounts':[4]}"));
    assert_holds(r, "size 150000:{s 0 z 1e-128:0 c 0 sum 0}"
                    " 200000:{s 0 z 1e-128:0 c 1 sum 0 + 1:1}"
                    " 210000:{s 0 z 1e-128:0 c 3 sum 0 + 1:3}"
                    " 215000:{s 0 z 1e-128:0 c 0 sum 0}"
                    " 220000:{s 0 z 1e-128:0 c 4 sum 0 + 1:4}\n");
}

static void a_start_time_is_an_empty_histogram(void **state)
{
    (void)state;
    in_each_encoding(start_scene);
}

static void delta_scene(struct rig *r)
{
    take(r, EXPONENTIAL("1", FROM(190000) AT(200000) ",'count':3,'sum':1,'scale':1,'positive':{"
                                                     "'offset':1,'bucketCounts':[1,2]}"));
    take(r, EXPONENTIAL("1", FROM(200000) AT(210000) ",'count':5,'sum':2,'scale':0,'positive':{"
                                                     "'offset':0,'bucketCounts':[4,1]}"));
    refuse(r, 1, "size: out_of_order: the series has a newer sample",
           EXPONENTIAL("1", FROM(200000) AT(210000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    take(r, EXPONENTIAL("1", AT(220000) ",'flags':1"));
    take(r, EXPONENTIAL("1", FROM(225000) AT(230000) ",'count':1,'positive':{'bucketCounts':[1]}"));
    assert_holds(r, "size 220000:stale"
                    " 190000:{s 1 z 1e-128:0 c 0 sum 0}"
                    " 200000:{s 1 z 1e-128:0 c 3 sum 1 + 2:1,2}"
                    " 210000:{s 0 z 1e-128:0 c 8 sum 3 + 1:5,3}"
                    " 225000:{s 0 z 1e-128:0 c 0 sum 0}"
                    " 230000:{s 0 z 1e-128:0 c 1 sum 0 + 1:1}\n");
}

static void differences_are_added_up(void **state)
{
    (void)state;
    in_each_encoding(delta_scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exponential_histogram_is_a_native_one),
        cmocka_unit_test(what_is_no_histogram_is_refused),
        cmocka_unit_test(a_start_time_is_an_empty_histogram),
        cmocka_unit_test(differences_are_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
