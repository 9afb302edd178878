#!/usr/bin/env bash
# Runs unit test programs, one more at a time than there are processors, because some wait: tests/unit/run.sh DIRECTORY [NAME…]
# DIRECTORY is build/<variant>/unit; without a NAME, all tests in it run. Each runs in an empty directory of its own with
# databases of its own, on one PostgreSQL that is started here. The output of programs that fail is shown, that of the named
# ones always. SHUFFLE=SEED: random order. JOBS=N: N at a time. SKIP=PATTERN: not those that match. The last line counts tests, not programs.
set -u
if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DIRECTORY [NAME…]" >&2
    exit 2
fi
programs=$(cd "$1" && pwd)
shift
scratch=$(mktemp -d) || exit 2
# shellcheck source=tests/unit/database.sh
. "$(dirname "$0")/database.sh"

seconds_at_most=600 # against a program that hangs; a busy machine takes its time

# Prints the programs that have a source: those of former sources may still lie there. Those that take longest come first, so
# that none of them is left alone at the end.
list_programs() {
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@"
        return
    fi
    local source name
    for source in "$root"/tests/unit/test_*.c; do
        name=$(basename "$source" .c)
        [ ! -x "$programs/$name" ] || echo "$name"
    done | grep -vE "${SKIP:-^$}" | if [ -n "${SHUFFLE:-}" ]; then
        shuf --random-source=<(yes "$SHUFFLE")
    else
        awk '/^test_media_/ { print; next } { rest = rest $0 "\n" } END { printf "%s", rest }'
    fi
}

# Leaves NAME.out and NAME.result: "EXIT-STATUS SECONDS".
run_program() {
    local begin=${EPOCHREALTIME/./} result=0
    mkdir "$scratch/$1"
    (cd "$scratch/$1" && TMPDIR=$PWD exec timeout --foreground "$seconds_at_most" "$programs/$1") >"$scratch/$1.out" 2>&1 </dev/null || result=$?
    echo "$result $(((${EPOCHREALTIME/./} - begin) / 1000000))" >"$scratch/$1.result"
    rm -rf "${scratch:?}/$1"
}

# The number of tests that cmocka counts: "[  PASSED  ] 5 test(s)." A program that ends otherwise is one more that failed.
count() { sed -nE "s/^\[  $2 *\] ([0-9]+) test.*/\1/p" "$scratch/$1.out" | awk '{ sum += $1 } END { print sum + 0 }'; }

report() {
    local name result good bad skips passed=0 failed=0 skipped=0
    for name in "$@"; do
        read -r result _ <"$scratch/$name.result" || result=lost
        good=$(count "$name" PASSED) bad=$(count "$name" FAILED) skips=$(count "$name" SKIPPED)
        if [ "$result" != 0 ]; then
            [ "$bad" -gt 0 ] || bad=1
            echo "==== $name: exit $result"
            [ "$result" != 255 ] || echo "an assertion failed in a thread that is not the test's: cmocka ends the program without a message"
        fi
        [ "$result$show" = 0 ] || cat "$scratch/$name.out"
        passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skips))
    done
    (cd "$scratch" && grep -H . ./*.result) | sed -E 's,^\./(.*)\.result:[0-9]+ ([0-9]+)$,\2 \1,' | sort -rn | head -n 5 |
        awk '{ list = list (NR > 1 ? ", " : "") $2 " " $1 " s" } END { print "slowest: " list }'
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
}

show=${1:+yes}
mapfile -t names < <(list_programs "$@")
unit_database_start
pool=
clean_up() {
    [ -z "$pool" ] || kill -- "-$pool" 2>/dev/null
    unit_database_stop
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
export -f run_program
export scratch programs seconds_at_most
printf '%s\n' "${names[@]}" >"$scratch/names"
setsid xargs -a "$scratch/names" -P "${JOBS:-$(($(nproc) + 1))}" -I{} bash -c 'run_program {}' & # a group that can be stopped
pool=$!
wait $pool
pool=
report "${names[@]}"
