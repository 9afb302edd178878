#!/usr/bin/env bash
# make bench: figures of the service on this machine, each beside a reference of the same run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
make -s -j"$(nproc)" VARIANT=release programs benches
PYTHONPATH=tests/e2e exec /usr/bin/python3 tests/bench/bench.py "$@"
