# shellcheck shell=bash
# Gives the unit tests a real PostgreSQL: source it after setting `scratch` to an empty directory, call
# unit_database_start, and unit_database_stop at the end. TEST_DATABASE is then what the tests connect with.
root=${root:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/postgres.sh
. "$root/infra/local/lib/postgres.sh"

unit_database_start() {
    local sockets=${scratch:?}/sockets tries
    ((EUID != 0)) || chmod 711 "$scratch"
    postgres_directory "$sockets"
    postgres_init "$scratch/postgres"
    # What is kept of it after a crash of the machine is nothing.
    printf "%s\n" "fsync = off" "full_page_writes = off" "synchronous_commit = off" >>"$scratch/postgres/postgresql.conf"
    (postgres_run "$scratch/postgres" "$sockets" >"$scratch/postgres.log" 2>&1) &
    unit_database_pid=$!
    for ((tries = 0; tries < 200; tries++)); do
        postgres_ready "$sockets" && break
        kill -0 "$unit_database_pid" 2>/dev/null || die "PostgreSQL ended: $(cat "$scratch/postgres.log")"
        sleep 0.05
    done
    export TEST_DATABASE="host=$sockets user=$MR_POSTGRES_ROLE"
}

unit_database_stop() {
    kill -INT "$unit_database_pid" 2>/dev/null || :
    wait "$unit_database_pid" 2>/dev/null || :
}
