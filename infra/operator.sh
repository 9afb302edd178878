#!/usr/bin/env bash
# Makes a user an operator of mediarun, or ends that, or lists the operators. The flag is set in the database alone: who can
# call the API cannot give rights away.
#
#   infra/operator.sh make NAME | unmake NAME | list
#
# NAME is a user name or a mail address. It connects with psql as the owner of the tables, by PGHOST, PGUSER, PGDATABASE and
# PGPASSWORD; without PGHOST to the database of infra/local/run.sh (DATA_DIR, by default .local). Each change stands in
# PostgreSQL's log (LOG: mediarun: user …), with the login that made it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/postgres.sh
. "$root/infra/local/lib/postgres.sh"

usage() { die "usage: infra/operator.sh make NAME | unmake NAME | list"; }

choose_database() {
    [[ -z ${PGHOST:-} ]] || return 0
    local sockets=${DATA_DIR:-$root/.local}/sockets
    [[ -s $sockets ]] || die "PGHOST is not set, and infra/local/run.sh does not run with DATA_DIR=${DATA_DIR:-.local}"
    PGHOST=$(<"$sockets")
    export PGHOST PGUSER=${PGUSER:-$MR_POSTGRES_ROLE} PGDATABASE=${PGDATABASE:-mediarun}
}

# query VARIABLE=VALUE…: runs the SQL of standard input; values are quoted by psql.
query() {
    local arguments=() one
    for one in "$@"; do
        arguments+=(-v "$one")
    done
    psql -X -q -A -t -v ON_ERROR_STOP=1 ${arguments[@]+"${arguments[@]}"}
}

# set_flag true|false NAME
set_flag() {
    local changed
    changed=$(query "wanted=$1" "name=$2" <<'SQL'
UPDATE users SET is_operator = :'wanted'::boolean WHERE deleted_at IS NULL AND id =
    (SELECT id FROM users WHERE deleted_at IS NULL AND (username_key = fold_name(:'name') OR email_key = fold_name(:'name'))
     ORDER BY coalesce(username_key = fold_name(:'name'), false) DESC LIMIT 1)
    RETURNING id || ' ' || username;
SQL
    ) || die "the database refused it"
    [[ -n $changed ]] || die "user $2 does not exist"
    if [[ $1 == true ]]; then
        echo "user $changed is an operator"
    else
        echo "user $changed is no operator"
    fi
}

main() {
    case "${1:-} $#" in
        "make 2") choose_database && set_flag true "$2" ;;
        "unmake 2") choose_database && set_flag false "$2" ;;
        "list 1") choose_database && query <<<"SELECT id || ' ' || username FROM users WHERE is_operator AND deleted_at IS NULL ORDER BY id" ;;
        *) usage ;;
    esac
}
main "$@"
