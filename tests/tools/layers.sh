#!/bin/sh
# tools/layers on small houses of our own: what it must refuse, it refuses, and says where.
set -eu
house=$(mktemp -d)
trap 'rm -rf "$house"' EXIT
mkdir -p "$house/tools" "$house/src/base" "$house/src/store" "$house/src/decide" "$house/src/promql"
cp tools/layers "$house/tools/layers"

# expect NAME TEXT: layers must fail and say TEXT; with an empty TEXT it must be content.
expect() {
    if said=$("$house/tools/layers" 2>&1); then
        [ -z "$2" ] || { echo "$1: was allowed, expected: $2"; exit 1; }
        return 0
    fi
    case "$said" in
    *"$2"*) [ -n "$2" ] || { echo "$1: refused: $said"; exit 1; } ;;
    *) echo "$1: expected \"$2\", got: $said"; exit 1 ;;
    esac
}

printf '#include "base/str.h"\n#include <stdio.h>\n' >"$house/src/store/store.h"
echo >"$house/src/base/str.h"
expect "downwards" ""
printf '\n#include "store/store.h"\n' >"$house/src/base/str.c"
expect "upwards" 'src/base/str.c:2: base may not include store ("store/store.h")'
rm "$house/src/base/str.c"
echo '#include "store/store.h"' >"$house/src/promql/eval.c"
expect "sideways" 'src/promql/eval.c:1: promql may not include store'
rm "$house/src/promql/eval.c"
mkdir -p "$house/src/ingest"
echo '#include "store/head.h"' >"$house/src/ingest/scrape.c"
expect "a private header" 'src/ingest/scrape.c:1: "store/head.h" is private to store'
rm "$house/src/ingest/scrape.c"
echo '#include "base/clock.h"' >"$house/src/decide/decide.c"
expect "a clock in decide" 'src/decide/decide.c:1: decide is pure and may not include "base/clock.h"'
echo '#include <sqlite3.h>' >"$house/src/decide/decide.c"
expect "a library of another folder" 'src/decide/decide.c:1: only ledger may include <sqlite3.h>'
rm "$house/src/decide/decide.c"
echo '#include "base/str.h"' >"$house/src/base/buf.h"
echo '#include "base/buf.h"' >"$house/src/base/str.h"
expect "a cycle" 'a cycle'
echo >"$house/src/base/str.h"
mkdir -p "$house/src/misc"
echo '#include <stdio.h>' >"$house/src/misc/misc.c"
expect "an unknown folder" 'src/misc has no row in tools/layers'
rm -r "$house/src/misc"
expect "all well again" ""
