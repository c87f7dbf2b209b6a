#!/bin/sh
# check.sh CQED PROMTOOL FILE: both programs must find the tests in FILE good, or of wrong.test.yml
# all six wrong. PROMTOOL "" leaves Prometheus out, and says so.
set -u
cqed=$1 promtool=$2 file=$3
case $file in
*/wrong.test.yml) want=1 ;;
*) want=0 ;;
esac
ask() { # NAME COMMAND...
    name=$1
    shift
    out=$("$@" 2>&1)
    got=$?
    if [ $got -ne $want ]; then
        echo "$name: exit $got, expected $want:"
        echo "$out"
        exit 1
    fi
}
ask cqed "$cqed" test rules "$file"
if [ $want -eq 1 ]; then
    failures=$(printf '%s\n' "$out" | grep -c ': failed$')
    [ "$failures" -eq 6 ] || { echo "cqed found $failures of 6 wrong:"; echo "$out"; exit 1; }
fi
if [ -z "$promtool" ]; then
    echo "promtool is not here: not compared"
else
    ask promtool "$promtool" test rules "$file"
fi
echo ok
