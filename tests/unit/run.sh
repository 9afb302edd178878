#!/usr/bin/env bash
# Runs every test program in a directory: tests/unit/run.sh build/<variant>/unit
# Each runs in an empty directory of its own, for at most 120 s; the output of those that fail is shown.
# SHUFFLE=1 runs them in random order. They share one PostgreSQL, started here, and make databases of their own.
set -u
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
programs=$(cd "$1" && pwd)
scratch=$(mktemp -d) || exit 2
# shellcheck source=tests/unit/database.sh
. "$(dirname "$0")/database.sh"
unit_database_start
trap 'unit_database_stop; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

order="cat"
[ "${SHUFFLE:-0}" = 1 ] && order=shuf
find "$programs" -maxdepth 1 -type f -perm -u+x | sort | $order >"$scratch/list"

passed=0
failed=0
while IFS= read -r program; do
    name=$(basename "$program")
    mkdir "$scratch/$name"
    (cd "$scratch/$name" && exec timeout 120 "$program") >"$scratch/$name.out" 2>&1 </dev/null
    result=$?
    if [ $result -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "==== $name: exit $result"
        cat "$scratch/$name.out"
    fi
done <"$scratch/list"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
