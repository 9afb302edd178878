#!/usr/bin/env bash
# Breaks a running mediarun in many ways under load, and counts from outside what was lost, doubled or wrong.
# tests/README.md explains it. VARIANT=asan or tsan chooses another build.
#
#   tests/faults/run.sh [--tasks N] [--minutes M] [--faults N] [--seed S] [--only TEXT]
#
# Without arguments: a short form of about two minutes. The long form: --tasks 2000 --minutes 30 --faults 200
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export PYTHONPATH=tests/e2e:tests/faults
[[ -x build/${VARIANT:-release}/mediarun-web ]] || make -s -j"$(nproc)" VARIANT="${VARIANT:-release}" programs || exit 1
exec /usr/bin/python3 -B tests/faults/main.py "$@"
