#!/usr/bin/env bash
# What deploying stands on: infra/deploy.sh with the real gcloud, manifests, monitoring, operations' paper, and the images. What
# this machine has not got the tools for is skipped, with the reason. The last line says "N passed, N failed".
#
#   tests/deploy/run.sh          all of it
#   tests/deploy/run.sh quick    without making images
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0

# part COMMAND…: runs pytest, by the command; one that fails without saying what counts as one failure.
part() {
    local status=0 good bad
    "$@" 2>&1 | tee "$scratch/out" || status=1
    # "2 failed, 535 passed, 1 skipped, 1 error in 9.81s"
    read -r good bad < <(tail -n 1 "$scratch/out" | awk '{ for (i = 2; i <= NF; i++) n[substr($i, 1, 5)] += $(i - 1) }
        END { print n["passe"] + 0, n["faile"] + n["error"] + 0 }')
    passed=$((passed + good))
    failed=$((failed + (status && !bad ? 1 : bad)))
}

part /usr/bin/python3 -B -m pytest -q -rs -p no:cacheprovider --durations=5 tests/deploy
[[ ${1:-} == quick ]] || part tests/deploy/images.sh
echo "$passed passed, $failed failed"
((failed == 0))
