#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds, checks the rules, runs the unit and the end-to-end tests.
# The last line says "N passed, N failed, N skipped"; exit status 1 on any failure. tests/README.md explains the stages.
#
#   tests/run.sh         the release build; deployment without the images
#   tests/run.sh full    also the address and thread sanitizer builds, the model, the fault suite, and the images: what CI runs
# shellcheck disable=SC2317 # functions are called by name, through stage
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"
# shellcheck source=tests/warm/start.sh
. "$root/tests/warm/start.sh"

case ${1:-} in
    '') variants=(release) is_full=0 ;;
    full) variants=(release asan tsan) is_full=1 && export TEST_FINISHED_TASKS=1000000 ;; # tests/unit/test_plans.c
    *) die "usage: tests/run.sh [full]" ;;
esac
passed=0 failed=0 skipped=0
summary=()

# All temporary files of all stages are below $scratch. PostgreSQL, which never runs as root, must get to its own.
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mediarun-tests.XXXXXX")
((EUID != 0)) || chmod 711 "$scratch"
mkdir "$scratch/tmp" "$scratch/logs"
chmod 1777 "$scratch/tmp"
export TMPDIR=$scratch/tmp
declare -A beside=() # stages that run beside others: name → process group
clean_up() {
    local group
    for group in "${beside[@]}"; do
        kill -- "-$group" 2>/dev/null
    done
    warm_stop
    wait
    ((failed)) || rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The sum of the numbers that a pattern's group finds in a file.
sum_of() { sed -nE "s/$1/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# Counters print "PASSED FAILED SKIPPED" of a stage's output.
count_nothing() { echo 0 0 0; }
count_lint() { echo "$(grep -c '^ok ' "$1") $(grep -c '^FAIL ' "$1") $(grep -c '^skip ' "$1")"; }
count_lines() { # "12 passed, 0 failed, 1 skipped"
    local passed='^([0-9]+) passed, [0-9]+ failed.*' failed='^[0-9]+ passed, ([0-9]+) failed.*' skipped='^.* failed, ([0-9]+) skipped$'
    echo "$(sum_of "$passed" "$1") $(sum_of "$failed" "$1") $(sum_of "$skipped" "$1")"
}
count_pytest() { # "2 failed, 535 passed, 1 skipped, 1 error in 9.81s"
    grep -E '^[0-9]+ [a-z]+.* in [0-9.]+s' "$1" | tail -n 1 | awk '{ for (i = 2; i <= NF; i++) n[substr($i, 1, 5)] += $(i - 1) }
        END { print n["passe"] + 0, n["faile"] + n["error"] + 0, n["skipp"] + 0 }'
}

# record NAME COUNTER STATUS SECONDS: counts a stage that is over. One that fails without saying what counts as one failure.
record() {
    local good=0 bad=0 skips=0
    read -r good bad skips < <("$2" "$scratch/logs/$1")
    (($3 == 0 || bad > 0)) || bad=1
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skips))
    summary+=("$(printf '%-24s %5d passed %3d failed %4d skipped %5d s' "$1" "$good" "$bad" "$skips" "$4")")
    ((bad)) || rm -f "$scratch/logs/$1"
}

# Shows what failed once more, at the end: the logs of stages without a failure are gone.
show_failures() {
    local log
    for log in "$scratch"/logs/*; do
        echo "---- failed: ${log##*/}"
        grep -aE -A3 '^(FAIL|ERROR|==== .*: exit)|^\[  FAILED  \]|^\[ *(ERROR|LINE) *\]|(Address|Thread|Leak)Sanitizer' "$log" | head -n 60
    done
}

# stage NAME COUNTER COMMAND…: runs and shows it.
stage() {
    local name=$1 counter=$2 begin=$SECONDS status=0
    shift 2
    echo "==== $name, after $((SECONDS / 60)) min $((SECONDS % 60)) s"
    "$@" 2>&1 | tee "$scratch/logs/$name" || status=1
    record "$name" "$counter" $status $((SECONDS - begin))
}

# begin NAME COMMAND…: starts a stage beside those that follow; end NAME COUNTER waits for it and shows it.
begin() {
    # shellcheck disable=SC2016 # for the inner shell
    setsid bash -c 'SECONDS=0; "${@:2}" && status=0 || status=1; echo $status $SECONDS >"$1"' _ "$scratch/$1.result" "${@:2}" \
        >"$scratch/logs/$1" 2>&1 </dev/null &
    beside[$1]=$!
}
end() {
    local status=1 seconds=0
    wait "${beside[$1]}"
    unset "beside[$1]"
    echo "==== $1"
    cat "$scratch/logs/$1"
    read -r status seconds <"$scratch/$1.result"
    record "$1" "$2" "$status" "$seconds"
}

build() {
    make --no-print-directory -s -k -j"$(nproc)" variants WANTED="${variants[*]}" &&
        make --no-print-directory -s -k -j"$(nproc)" build/release/model benches
}

# Sets `before`, what a program of the variant is started by; false, with a `reason`, if there is no way. The thread
# sanitizer of gcc 12 cannot live with the wide address randomisation of newer kernels.
find_starter() {
    before=()
    reason=
    [[ $1 == tsan ]] || return 0
    echo 'int main(void) { return 0; }' >"$scratch/probe.c"
    gcc -fsanitize=thread -pie -fPIE -o "$scratch/probe" "$scratch/probe.c" || return 0
    local attempt
    for attempt in 1 2 3 4 5 6 7 8; do
        "$scratch/probe" 2>/dev/null || break
        ((attempt < 8)) || return 0
    done
    before=(setarch "$(uname -m)" -R)
    reason="the kernel's address randomisation is too wide and cannot be turned off here"
    "${before[@]}" "$scratch/probe" 2>/dev/null
}
# In `full` the release build does not run again what takes long on the address sanitizer's build: `tests/run.sh` does.
# The media code has one thread, and libav is not instrumented: the thread sanitizer has nothing to see there. PostgreSQL
# makes the same plans for every build.
units() {
    [[ $1 == release ]] || local -x SKIP='^test_plans$'
    [[ $1 != tsan ]] || local -x SKIP='^test_(plans$|media_)'
    [[ $1$is_full != release1 ]] || local -x SKIP='^test_media_'
    "${before[@]}" tests/unit/run.sh "build/$1/unit"
}
end_to_end() {
    VARIANT=$1 "${before[@]}" /usr/bin/python3 -B -m pytest -q -rfEs --durations=5 -n $((2 * $(nproc))) "${@:2}" tests/e2e
}

model() { tests/model/run.sh --seeds 10 --every 2; }
faults() { VARIANT=$1 "${before[@]}" tests/faults/run.sh --seed 3; }

test_variant() {
    local variant=$1 before reason subset=()
    case $variant in
        release) ((is_full == 0)) || subset=(-m "not sanitized or measured") ;;
        asan) subset=(-m sanitized) ;;
        tsan) subset=(-m "sanitized and not sequential") ;;
    esac
    if ! find_starter "$variant"; then
        echo "==== skipped: $variant: $reason"
        skipped=$((skipped + 1))
        return
    fi
    stage "unit tests, $variant" count_lines units "$variant"
    # Beside what waits for no clock: end-to-end tests of slow builds have the machine to themselves.
    [[ $variant != asan ]] || end "deploy" count_lines
    stage "end to end, $variant" count_pytest end_to_end "$variant" "${subset[@]}"
    [[ $variant == release ]] || stage "faults, $variant" count_lines faults "$variant"
}

main() {
    install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:${ASAN_OPTIONS:-}
    export TSAN_OPTIONS=halt_on_error=0:exitcode=66:${TSAN_OPTIONS:-}
    SECONDS=0
    warm_start "$scratch/warm"
    begin "deploy" nice -n 5 tests/deploy/run.sh # one command after the other, many of which wait
    begin "lint" tests/lint/run.sh
    stage "build" count_nothing build
    end "lint" count_lint
    local variant
    for variant in "${variants[@]}"; do
        test_variant "$variant"
    done
    ((is_full)) || end "deploy" count_lines
    if ((is_full)); then
        stage "clang" count_nothing make --no-print-directory -s clang-check
        stage "model" count_lines model
        for variant in release asan; do
            stage "hostile media, $variant" count_lines env VARIANT=$variant tests/hostile/run.sh --files 150 --seed 1
        done
        stage "images" count_lines tests/deploy/run.sh images
    fi
    echo "===="
    printf '%s\n' "${summary[@]}"
    ((failed == 0)) || show_failures
    ((failed == 0)) || echo "logs and files of what failed: $scratch"
    echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
    echo "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
}
main
