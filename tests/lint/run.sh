#!/usr/bin/env bash
# Architecture, documents, style: one line for each check; exit status 1 when one fails.
# shellcheck disable=SC2317 # the functions are called by name, through check
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# check NAME COMMAND…: what the command prints is shown only when it fails.
check() {
    local name=$1
    shift
    if "$@" >"$scratch/out" 2>&1; then
        echo "ok    $name"
    else
        echo "FAIL  $name"
        head -n 60 "$scratch/out"
        failed=1
    fi
}
have() {
    command -v "$1" >/dev/null && return 0
    echo "skip  $2: $1 is not installed"
    return 1
}
python() { /usr/bin/python3 -B tests/lint/check.py "$@"; }

config_table() {
    gcc -std=c17 -I. -D_GNU_SOURCE -include shared/base/banned.h -o "$scratch/print_config" tests/lint/print_config.c \
        shared/base/config.c shared/base/encoding.c shared/base/buf.c shared/base/err.c shared/base/utf8.c shared/base/codes.c -lcrypto -ljansson &&
        "$scratch/print_config" >"$scratch/table" && python config "$scratch/table"
}
shell_scripts() {
    git ls-files -co --exclude-standard '*.sh' .ci/run | xargs shellcheck -x
}
# Off: what cppcheck reports without knowing cleanup attributes and the intrusive lists' ownership.
cppcheck_sources() {
    cppcheck -q --std=c11 --enable=warning,performance,portability --inline-suppr -I. -D_GNU_SOURCE \
        -D'json_array_foreach(a,i,v)=while((v=json_array_get(a,i)))' \
        -D'json_object_foreach(o,k,v)=while((v=json_object_get(o,k)))' \
        --suppress=missingIncludeSystem --suppress=memleak --suppress=resourceLeak --suppress=autoVariables --suppress=uninitvar --suppress=ctuuninitvar \
        --error-exitcode=1 shared web worker client infra/local/emulator
}

# Beside the others: it takes as long as all of them.
cppcheck_pid=
if have cppcheck cppcheck; then
    cppcheck_sources >"$scratch/cppcheck" 2>&1 &
    cppcheck_pid=$!
fi
end_of_cppcheck() {
    wait "$cppcheck_pid" && return 0
    cat "$scratch/cppcheck"
    return 1
}

check "rooms: no arrow runs upwards" python rooms
check "libraries: each in its one room" python libraries
check "texts: nothing unfinished, no test hooks, no machine's paths, hardly a binary" python texts
check "sizes: small files, small functions" python sizes
check "README.md: short" python readme
check "configuration: docs/configuration.md and the code agree" config_table
check "routes: docs/api.md, openapi.json and the code agree" python routes
check "error codes: none unused, none outside the table" python codes
check "columns: SQL names them" python columns
check "error texts: the subject first, no first person, short" python error_texts
check "tables: documents agree with the code" /usr/bin/python3 -B tests/lint/tables.py
check "system calls: docs/security.md and the code agree" python syscalls
check "documents: paths, links and anchors lead somewhere" python paths
check "version: the same everywhere" python version
check "circles: no C files call each other in a circle" python circles
check "vocabulary: one word per thing" python vocabulary README.md docs/ infra/ shared/ web/ worker/ client/ tests/
check "python compiles" python python
have clang-format format && check "format" make -s format-check
have shellcheck shell && check "shell scripts" shell_scripts
[[ -z $cppcheck_pid ]] || check "cppcheck" end_of_cppcheck
exit $failed
