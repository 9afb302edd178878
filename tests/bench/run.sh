#!/usr/bin/env bash
# make bench: installs what is missing, builds, and measures the service on this machine, beside references of the same run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"
install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
make -s -j"$(nproc)" VARIANT=release programs benches
PYTHONPATH=tests/e2e exec /usr/bin/python3 -B tests/bench/bench.py "$@"
