#!/usr/bin/env bash
# Fuzzes parsers of hostile input with libFuzzer, on the address and undefined behaviour sanitizers:
#
#   tests/fuzz/run.sh [--seconds N] [--jobs N] [TARGET…]     without a target: all; 60 seconds each; one job per processor
#
# Inputs come from corpus/, and what was learned stays in build/fuzz/corpus for the next run. A crash is kept in
# build/fuzz/crashes; fix it, then `tests/fuzz/corpus.py add TARGET FILE`, so that tests/run.sh replays it. Exit status 1
# if any target crashed.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"

seconds=60 jobs=$(nproc) targets=()
while (($#)); do
    case $1 in
        --seconds) seconds=$2 && shift 2 ;;
        --jobs) jobs=$2 && shift 2 ;;
        -*) die "usage: tests/fuzz/run.sh [--seconds N] [--jobs N] [TARGET…]" ;;
        *) targets+=("$1") && shift ;;
    esac
done
((${#targets[@]})) || mapfile -t targets < <(cd tests/fuzz/corpus && printf '%s\n' *.txt | sed 's/\.txt$//')

install_packages "${BUILD_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}"
make --no-print-directory -s -j"$(nproc)" VARIANT=fuzz build/fuzz/mediarun-fuzz || exit 1

# Prints "NAME: N runs, N inputs, ok", or where the crash is.
fuzz() {
    local target=$1 learned=build/fuzz/corpus/$1 crashes=build/fuzz/crashes log=build/fuzz/$1.log options=()
    mkdir -p "$learned" "$crashes"
    /usr/bin/python3 -B tests/fuzz/corpus.py files "$target" "$learned" || return 1
    [[ ! -e tests/fuzz/dict/$target.dict ]] || options=("-dict=tests/fuzz/dict/$target.dict")
    if TARGET=$target build/fuzz/mediarun-fuzz -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 -max_len=65536 \
        -use_value_profile=1 -print_final_stats=1 -artifact_prefix="$crashes/$target-" "${options[@]}" "$learned" >"$log" 2>&1; then
        printf '%s: %s runs, %s inputs, ok\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$(find "$learned" -type f | wc -l)"
    else
        printf '%s: FAILED, see %s and %s\n' "$target" "$log" "$(find "$crashes" -name "$target-*" -newer tests/fuzz/run.sh | tail -n 1)"
        return 1
    fi
}
export -f fuzz
export seconds
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I {} bash -c 'fuzz {}'
