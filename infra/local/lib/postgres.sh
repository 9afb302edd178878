# shellcheck shell=bash
# A private PostgreSQL: its own data directory, no port but a Unix socket, never as root.
#
# Called by root, it runs as user postgres, who may be unable to enter the directories above its own (a
# checkout below /root). So root opens the data directory and PostgreSQL reaches it as /proc/self/fd/7, which
# needs no right on the way there. The socket's directory has mode 0700: it is the password.

MR_POSTGRES_ROLE=mediarun

# The directory of PostgreSQL's programs: of the version that made the data in $1, else of the newest.
postgres_bin() {
    local version='*'
    [[ -r $1/PG_VERSION ]] && version=$(<"$1/PG_VERSION")
    local found
    # shellcheck disable=SC2086 # the pattern has to expand
    found=$(printf '%s\n' /usr/lib/postgresql/$version/bin/postgres | sort -V | tail -n 1)
    [[ -x $found ]] || die "PostgreSQL $version is not installed below /usr/lib/postgresql"
    printf '%s\n' "${found%/*}"
}

# Prefix of a command: run as an unprivileged user, and end when the parent does.
MR_AS_POSTGRES=(setpriv --pdeathsig INT --)
((EUID != 0)) || MR_AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig INT --)

# postgres_directory DIR: creates a directory that only PostgreSQL may use.
postgres_directory() {
    mkdir -p "$1"
    chmod 700 "$1"
    if ((EUID == 0)); then
        chown postgres:postgres "$1"
    fi
}

# postgres_init DATA: creates the data directory once. It gets its name when it is complete, so an interrupted
# initdb starts again.
postgres_init() {
    local data=$1 bin
    [[ ! -d $data ]] || return 0
    bin=$(postgres_bin "$data")
    rm -rf "$data.new"
    postgres_directory "$data.new"
    (
        exec 7<"$data.new"
        cd / || exit 1 # any user may enter it
        "${MR_AS_POSTGRES[@]}" "$bin/initdb" -D /proc/self/fd/7 -U "$MR_POSTGRES_ROLE" -A trust -E UTF8 --no-locale >/dev/null
    ) || die "initdb failed in $data.new"
    mv "$data.new" "$data"
}

# postgres_run DATA SOCKETS [COMMAND…]: becomes the server, started by the command (such as setsid).
postgres_run() {
    local data=$1 sockets=$2 bin
    shift 2
    bin=$(postgres_bin "$data")
    exec 7<"$data"
    cd / || exit 1
    exec "$@" "${MR_AS_POSTGRES[@]}" "$bin/postgres" -D /proc/self/fd/7 -c listen_addresses= -c unix_socket_directories="$sockets" \
        -c max_connections=200 -c log_checkpoints=off
}

# postgres_ready SOCKETS
postgres_ready() { pg_isready -q -h "$1" -U "$MR_POSTGRES_ROLE" -d postgres; }

# postgres_roles SOCKETS: creates the logins of web and worker if they do not exist. infra/grants.sql says what they may do.
postgres_roles() {
    local psql=(psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$1" -U "$MR_POSTGRES_ROLE" -d postgres) role
    for role in mr_web mr_worker; do
        [[ $("${psql[@]}" -c "SELECT 1 FROM pg_roles WHERE rolname = '$role'") == 1 ]] || "${psql[@]}" -c "CREATE ROLE $role LOGIN"
    done
}

# postgres_database SOCKETS NAME: creates the database if it does not exist.
postgres_database() {
    local psql=(psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$1" -U "$MR_POSTGRES_ROLE" -d postgres)
    [[ $("${psql[@]}" -c "SELECT 1 FROM pg_database WHERE datname = '$2'") == 1 ]] ||
        "${psql[@]}" -c "CREATE DATABASE \"$2\""
}
