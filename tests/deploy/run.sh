#!/usr/bin/env bash
# Tests of deployment. What this machine has no tools for is skipped, with the reason. The last line says
# "N passed, N failed, N skipped".
#
#   tests/deploy/run.sh          infra/deploy.sh with the real gcloud, manifests, monitoring, docs/operations.md
#   tests/deploy/run.sh images   the images
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
case ${1:-} in
    '') part=(/usr/bin/python3 -B -m pytest -q -rs -p no:cacheprovider --durations=5 tests/deploy) ;;
    images) part=(tests/deploy/images.sh) ;;
    *)
        echo "usage: tests/deploy/run.sh [images]" >&2
        exit 2
        ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
status=0
"${part[@]}" 2>&1 | tee "$scratch/out" || status=1
# "2 failed, 535 passed, 1 skipped, 1 error in 9.81s"; without pytest, "skip  REASON"
read -r passed failed skipped < <(tail -n 1 "$scratch/out" | awk '/^skip / { n["skipp"] = 1 }
    / in [0-9.]+s/ { for (i = 2; i <= NF; i++) n[substr($i, 1, 5)] += $(i - 1) }
    END { print n["passe"] + 0, n["faile"] + n["error"] + 0, n["skipp"] + 0 }')
((status == 0 || failed > 0)) || failed=1
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
