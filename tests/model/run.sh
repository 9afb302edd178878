#!/usr/bin/env bash
# Runs the model of the protocol on a PostgreSQL of its own. VARIANT=debug chooses another build.
#
#   tests/model/run.sh [--seeds N] [--every N]     N seeds without a fault (20), then each planted fault, or every N-th
#   tests/model/run.sh --seed N [--fault NAME] [--steps N] [--verbose]     one run again
#   tests/model/run.sh --list                                   the planted faults, and the rules that find them
#
# The last line says "N passed, N failed, N skipped": the clean runs together, and each fault.
set -uo pipefail
program=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/${VARIANT:-release}/model
[[ -x $program ]] || { echo "$program is not built: make model" >&2; exit 2; }
case " $* " in
    *" --list "*) exec "$program" --list ;;
esac
scratch=$(mktemp -d) || exit 2
# shellcheck source=tests/unit/database.sh
. "$(dirname "${BASH_SOURCE[0]}")/../unit/database.sh"
unit_database_start
clean_up() {
    unit_database_stop
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

case " $* " in
    *" --seed "* | *" --fault "*)
        "$program" "$@"
        exit
        ;;
esac
# Two programs, each with a database of its own and every other fault: they wait for PostgreSQL most of the time.
parts=()
for part in 0 1; do
    "$program" "$@" --part "$part/2" 2>&1 | tee "$scratch/$part.out" | grep --line-buffered -vE '^[0-9]+ passed, ' &
    parts+=($!) # of grep, which ends last
done
wait "${parts[@]}"
awk '/^[0-9]+ passed, / { passed += $1; failed += $3; ends++ }
    END { failed += 2 - ends; print passed + 0 " passed, " failed " failed, 0 skipped"; exit failed > 0 }' "$scratch"/?.out
