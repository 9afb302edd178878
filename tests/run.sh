#!/usr/bin/env bash
# Everything that proves mediarun: installs what is missing, builds, checks the house rules, runs the unit tests
# and the end-to-end tests. The last line says "N passed, N failed"; exit status 1 on any failure.
#
#   tests/run.sh         release, address and thread sanitizer builds, deploying, the images
#   tests/run.sh quick   the release build alone, deploying without the images
# shellcheck disable=SC2317 # the functions are called by name, through stage
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"

case ${1:-} in
    '')
        variants=(release asan tsan)
        without_images=()
        ;;
    quick)
        variants=(release)
        without_images=(quick)
        ;;
    *) die "usage: tests/run.sh [quick]" ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0
summary=()

# The sum of the numbers that a pattern's group finds in the last output.
sum_of() { sed -nE "s/$1/\1/p" "$scratch/out" | awk '{ sum += $1 } END { print sum + 0 }'; }

# stage NAME COUNTER COMMAND…: runs, shows, and counts. A command that fails without saying what counts as one.
stage() {
    local name=$1 counter=$2 begin=$SECONDS status=0 good bad
    shift 2
    echo "==== $name"
    "$@" 2>&1 | tee "$scratch/out" || status=1
    read -r good bad < <("$counter")
    ((status == 0 || bad > 0)) || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("$(printf '%-28s %5d passed %3d failed %5d s' "$name" "$good" "$bad" $((SECONDS - begin)))")
}
count_nothing() { echo 0 0; }
count_lint() { echo "$(grep -c '^ok ' "$scratch/out") $(grep -c '^FAIL ' "$scratch/out")"; }
count_units() { echo "$(sum_of '^([0-9]+) passed, [0-9]+ failed$') $(sum_of '^[0-9]+ passed, ([0-9]+) failed$')"; }
count_pytest() { # "2 failed, 535 passed, 1 skipped, 1 error in 9.81s"
    tail -n 1 "$scratch/out" | awk '{ for (i = 2; i <= NF; i++) n[substr($i, 1, 5)] += $(i - 1) }
        END { print n["passe"] + 0, n["faile"] + n["error"] + 0 }'
}

build() { make --no-print-directory -s -k -j"$(nproc)" VARIANT="$1" programs units; }

# Sets `before`, what a program of the variant is started by; false, with a `reason`, if none can be. The thread
# sanitizer of gcc 12 cannot live with the wide address randomisation of newer kernels.
find_starter() {
    before=()
    reason=
    [[ $1 == tsan ]] || return 0
    echo 'int main(void) { return 0; }' >"$scratch/probe.c"
    gcc -fsanitize=thread -pie -fPIE -o "$scratch/probe" "$scratch/probe.c" || return 0
    local tries
    for tries in 1 2 3 4 5 6 7 8; do
        "$scratch/probe" 2>/dev/null || break
        ((tries < 8)) || return 0
    done
    before=(setarch "$(uname -m)" -R)
    reason="the kernel's address randomisation is too wide and cannot be turned off here"
    "${before[@]}" "$scratch/probe" 2>/dev/null
}
units() { "${before[@]}" tests/unit/run.sh "build/$1/unit"; }
pytest() { VARIANT=$1 "${before[@]}" /usr/bin/python3 -B -m pytest -q -rs --durations=5 "${@:2}" tests/e2e; }

test_variant() {
    local variant=$1 before reason subset=(-m sanitized)
    if ! find_starter "$variant"; then
        echo "==== skipped: $variant: $reason"
        return
    fi
    [[ $variant != release ]] || subset=()
    stage "build $variant" count_nothing build "$variant"
    stage "unit tests, $variant" count_units units "$variant"
    stage "end to end, $variant" count_pytest pytest "$variant" "${subset[@]}"
}

main() {
    install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:${ASAN_OPTIONS:-}
    export TSAN_OPTIONS=halt_on_error=0:exitcode=66:${TSAN_OPTIONS:-}
    stage "lint" count_lint tests/lint/run.sh
    stage "deploy" count_units tests/deploy/run.sh "${without_images[@]}"
    local variant
    for variant in "${variants[@]}"; do
        test_variant "$variant"
    done
    echo "===="
    printf '%s\n' "${summary[@]}"
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
main
