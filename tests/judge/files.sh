#!/bin/sh
# cqed judge on two files, from the outside: files.sh CQED. A canary of 5%, 20 minutes, half of them history.
set -eu
cqed=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# counters FILE REQUESTS BAD-AFTERWARDS SLOW-AFTERWARDS: a row each 5 s; every 4th bucket another one, so that they vary
counters() {
    awk -v n="$2" -v bad="$3" -v slow="$4" 'BEGIN {
        print "time,total,bad,le_0.1,le_0.5,le_+Inf"
        for (i = 0; i <= 240; i++) {
            printf "%d,%d,%d,%d,%d,%d\n", 1000 + 5 * i, total, errors, total - over, total - far, total
            m = n + (i % 4); total += m; errors += (i < 120 ? 1 : bad) * n / 100
            over += (i < 120 ? 0.1 : slow) * m; far += 0.01 * m
        }
    }' >"$work/$1"
}

expect() { # EXIT TEXT ARGUMENTS...
    want=$1 text=$2
    shift 2
    code=0
    said=$("$cqed" judge "$@" 2>&1) || code=$?
    [ "$code" = "$want" ] || { echo "judge $*: exit $code, not $want: $said"; exit 1; }
    case "$said" in *"$text"*) ;; *) echo "judge $*: does not say '$text': $said"; exit 1 ;; esac
}

cd "$work"
counters stable.csv 950 1 0.1
counters good.csv 50 1 0.1
counters failing.csv 50 4 0.1
counters slow.csv 50 1 0.3
expect 0 "pass after" stable.csv good.csv --start 1600 --tolerate 1% --weight 5%
expect 1 "errors: fail" stable.csv failing.csv --start 1600
expect 1 "latency: fail" stable.csv slow.csv --start 1600
expect 1 "over 100 ms" stable.csv slow.csv --start 1600
expect 1 "traffic: fail" stable.csv good.csv --start 1600 --weight 20%
expect 0 "learned from 10m" stable.csv good.csv --start 1600 --tolerate 1%
expect 3 "insufficient" stable.csv good.csv --start 2180 --tolerate 0%
expect 2 "two files are needed" stable.csv
expect 2 "missing.csv" stable.csv missing.csv
expect 2 "--alpha '2' must be" stable.csv good.csv --alpha 2
