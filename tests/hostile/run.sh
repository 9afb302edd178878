#!/usr/bin/env bash
# Sends mutated media files through a running mediarun, and valid ones of another user in between. tests/README.md
# explains it. VARIANT=asan or tsan chooses another build.
#
#   tests/hostile/run.sh [--files N] [--seed S]
#
# Without arguments: 200 files. The long form: --files 2000
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export PYTHONPATH=tests/e2e:tests/hostile
[[ -x build/${VARIANT:-release}/mediarun-worker ]] || make -s -j"$(nproc)" VARIANT="${VARIANT:-release}" programs || exit 1
exec /usr/bin/python3 -B tests/hostile/main.py "$@"
