#!/usr/bin/env bash
# mediarun on this machine: installs what is missing, builds, and runs PostgreSQL, the emulator, web and the
# workers until Ctrl-C. Data stays in DATA_DIR, with install.log (what the installation printed) and
# postgres.log.
#
#   PORT=8080 EMULATOR_PORT=8085 WORKER_PORT=EMULATOR_PORT+1 WORKERS=1 SLOTS=cores DATA_DIR=.local infra/local/run.sh
#
# PUBSUB_EMULATOR_HOST and STORAGE_EMULATOR_HOST, if set, name another emulator of the one or the other.
# Every other variable of the environment is passed on to the programs (docs/configuration.md).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"
# shellcheck source=infra/local/lib/postgres.sh
. "$root/infra/local/lib/postgres.sh"
# shellcheck source=infra/local/lib/provision.sh
. "$root/infra/local/lib/provision.sh"

bin=$root/build/${VARIANT:-release}
declare -A name_of=()  # pid → name of what runs
declare -A pid_of=()   # name → pid
declare -A timer_of=() # pid of a sleep → name of what starts at its end
declare -A delay_of=() # name → tenths of a second before its next start
declare -A since=()    # name → SECONDS at its last start

read_settings() {
    port=${PORT:-8080}
    emulator_port=${EMULATOR_PORT:-8085}
    workers=${WORKERS:-1}
    is_number "$port" 1 65535 || die "PORT=$port must be a number from 1 to 65535"
    is_number "$emulator_port" 1 65535 || die "EMULATOR_PORT=$emulator_port must be a number from 1 to 65535"
    is_number "${EMULATOR_CONNECTIONS:-256}" 16 20000 || die "EMULATOR_CONNECTIONS=$EMULATOR_CONNECTIONS must be a number from 16 to 20000"
    worker_port=${WORKER_PORT:-$((emulator_port + 1))}
    is_number "$worker_port" 1 65000 || die "WORKER_PORT=$worker_port must be a number from 1 to 65000"
    is_number "$workers" 1 64 || die "WORKERS=$workers must be a number from 1 to 64"
    slots=${SLOTS:-$(nproc)}
    read_hosts
    data=${DATA_DIR:-$root/.local}
    mkdir -p "$data" || die "cannot create $data"
    data=$(cd "$data" && pwd)
}

# The addresses of the cloud: the emulator's, unless another emulator is to be used.
read_hosts() {
    EMULATOR_URL=http://127.0.0.1:$emulator_port
    STORAGE_URL=${STORAGE_EMULATOR_HOST:-$EMULATOR_URL}
    STORAGE_URL=${STORAGE_URL%/}
    PUBSUB_URL=http://${PUBSUB_EMULATOR_HOST:-127.0.0.1:$emulator_port}
    SCHEDULER_URL=$EMULATOR_URL
    [[ $STORAGE_URL == http?(s)://* ]] || die "STORAGE_EMULATOR_HOST=$STORAGE_URL must begin with http:// or https://"
    [[ ${PUBSUB_URL#http://} != */* ]] || die "PUBSUB_EMULATOR_HOST=$PUBSUB_EMULATOR_HOST must be host:port, without http://"
    # Nothing but our emulator signs pushes with a key that OIDC_CERTS_URL has.
    [[ $PUBSUB_URL == "$EMULATOR_URL" || -n ${PUSH_AUTH:-} ]] || die "PUBSUB_EMULATOR_HOST needs PUSH_AUTH=none: its pushes have no valid token"
}

# check_host VARIABLE URL: an emulator that we did not start.
check_host() {
    [[ $2 == "$EMULATOR_URL" ]] || answers_at_all "$2/" || die "nothing answers at $2: check $1"
}

# One run per data directory. Processes that a killed run left behind hold the lock until they end.
lock_data() {
    exec 9<>"$data/lock"
    if ! flock -n 9; then
        local owner
        owner=$(<"$data/lock")
        [[ -n $owner ]] && kill -0 "$owner" 2>/dev/null && die "$data is in use by another run (process $owner)"
        say "waiting for processes of the last run to end"
        flock -w 20 9 || die "$data is in use by processes of a run that was killed"
    fi
    echo $$ >"$data/lock"
}

check_ports() {
    local used last=$((workers > 1 ? worker_port + workers : worker_port))
    for used in "PORT $port" "EMULATOR_PORT $emulator_port" $(seq -f 'WORKER_PORT:%.0f' "$worker_port" "$last"); do
        used=${used/:/ }
        ! port_in_use "${used#* }" || die "port ${used#* } is already in use; choose another one with ${used% *}=…"
    done
}

build() {
    [[ -x $bin/mediarun-worker ]] || say "building (a few minutes the first time)"
    make -C "$root" --no-print-directory -s -j"$(nproc)" VARIANT="${VARIANT:-release}" programs >&2 || die "the build failed"
}

# The key that signs login tokens: created once and kept, so that tokens stay valid after a restart.
load_jwt_secret() {
    local file=$data/jwt_secret
    if [[ ! -s $file ]]; then
        (umask 077 && openssl rand -hex 32 >"$file.new" && mv "$file.new" "$file")
    fi
    export JWT_SECRET=${JWT_SECRET:-$(<"$file")}
}

# What differs from Google Cloud: addresses, and nothing else.
export_environment() {
    export GOOGLE_CLOUD_PROJECT=${GOOGLE_CLOUD_PROJECT:-mediarun-local}
    export BUCKET=${BUCKET:-mediarun-local}
    export PUBSUB_TOPIC=${PUBSUB_TOPIC:-mediarun-tasks}
    export PUSH_SERVICE_ACCOUNT=${PUSH_SERVICE_ACCOUNT:-push@$GOOGLE_CLOUD_PROJECT.iam.gserviceaccount.com}
    export STORAGE_EMULATOR_HOST=$STORAGE_URL
    export PUBSUB_EMULATOR_HOST=${PUBSUB_URL#http://}
    export GCE_METADATA_HOST=127.0.0.1:$emulator_port
    export OIDC_CERTS_URL=$EMULATOR_URL/oauth2/v1/certs
    export IAM_CREDENTIALS_URL=$EMULATOR_URL
    export GUESTS=${GUESTS:-1} # whoever reaches this machine may try it without an account
    export PUBLIC_URL=${PUBLIC_URL:-http://localhost:$port}
    # The emulator's queue is lost when it ends; waiting tasks are published again soon after the next start.
    export REPUBLISH_AFTER_SECONDS=${REPUBLISH_AFTER_SECONDS:-30}
    WEB_URL=http://127.0.0.1:$port
    WORKER_URL=http://127.0.0.1:$worker_port
    [[ ! -t 2 ]] || export LOG_FORMAT=${LOG_FORMAT:-text} # a person reads it
    load_jwt_secret
}

# PostgreSQL's socket is in its own directory below /tmp, because its path must be shorter than 108 bytes.
make_socket_directory() {
    local left
    left=$(cat "$data/sockets" 2>/dev/null || true)
    if [[ $left == /tmp/mediarun.* ]]; then
        rm -rf "$left"
    fi
    sockets=$(mktemp -d /tmp/mediarun.XXXXXXXX)
    echo "$sockets" >"$data/sockets"
    postgres_directory "$sockets"
}

# run_NAME becomes the program, in its own session: Ctrl-C reaches this script alone, which stops them in order.
become() { exec setsid setpriv --pdeathsig TERM -- "$@"; }
run_postgres() { postgres_run "$data/postgres" "$sockets" setsid 2>>"$data/postgres.log"; }
run_emulator() { EMULATOR_PORT=$emulator_port DATA_DIR=$data/emulator become "$bin/mediarun-emulator"; }
# database_url LOGIN: with the rights of infra/grants.sql; $MR_POSTGRES_ROLE owns the tables.
database_url() { printf 'host=%s user=%s dbname=mediarun' "$sockets" "$1"; }
run_web() {
    PORT=$port PUSH_AUDIENCE=$WEB_URL DATABASE_URL=$(database_url mr_web) \
        MIGRATION_DATABASE_URL=$(database_url "$MR_POSTGRES_ROLE") become "$bin/mediarun-web"
}
run_worker() {
    local number=$1 own_port=$worker_port
    ((workers == 1)) || own_port=$((worker_port + number))
    PORT=$own_port SLOTS=$slots PUSH_AUDIENCE=$WORKER_URL DATABASE_URL=$(database_url mr_worker) become "$bin/mediarun-worker"
}
# Stands in for Cloud Run's front end, which spreads a service's requests over its instances.
run_front() {
    local backends
    backends=$(seq -s, -f '127.0.0.1:%.0f' $((worker_port + 1)) $((worker_port + workers)))
    become "$bin/mediarun-emulator" --front "$worker_port=$backends"
}

# start NAME: "worker.2" runs run_worker 2.
start() {
    local name=$1
    (
        trap - INT TERM HUP
        "run_${name%.*}" "${name#*.}"
    ) &
    name_of[$!]=$name
    pid_of[$name]=$!
    since[$name]=$SECONDS
}

start_later() {
    local name=$1
    ((SECONDS - since[$name] < 60)) || delay_of[$name]=0
    local tenths=${delay_of[$name]:-0}
    delay_of[$name]=$((tenths == 0 ? 2 : tenths < 100 ? tenths * 2 : 200))
    sleep "$((tenths / 10)).$((tenths % 10))" &
    timer_of[$!]=$name
}

running() { [[ -n ${pid_of[$1]:-} ]] && kill -0 "${pid_of[$1]}" 2>/dev/null; }

# give_up NAME MESSAGE: PostgreSQL's messages are in a file, the others' are on the terminal.
give_up() {
    [[ $1 != postgres ]] || tail -n 20 "$data/postgres.log" >&2
    die "$2"
}

# expect SECONDS WHAT NAME COMMAND…: waits until COMMAND is true; gives up when NAME dies.
expect() {
    local deadline=$((SECONDS + $1)) what=$2 name=$3
    shift 3
    until "$@"; do
        running "$name" || give_up "$name" "$what has ended: see its messages above"
        ((SECONDS < deadline)) || give_up "$name" "$what did not become ready in time"
        sleep 0.1
    done
}
answers() { [[ $(http_status "$1") == "${2:-200}" ]]; }
answers_at_all() { [[ $(http_status "$1") != 000 ]]; }

start_all() {
    start postgres
    expect 60 "PostgreSQL" postgres postgres_ready "$sockets"
    postgres_roles "$sockets"
    postgres_database "$sockets" mediarun
    (umask 077 && mkdir -p "$data/emulator")
    start emulator
    expect 15 "the emulator" emulator answers_at_all "$EMULATOR_URL/"
    provision
    start web
    worker_names=()
    local i
    for ((i = 1; i <= workers; i++)); do
        worker_names+=("worker.$i")
        start "worker.$i"
    done
    ((workers == 1)) || start front
    expect 30 "web" web answers "$WEB_URL/api-health"
    for ((i = 1; i <= workers; i++)); do
        expect 30 "worker $i" "worker.$i" answers "http://127.0.0.1:$((workers == 1 ? worker_port : worker_port + i))/alive"
    done
    ((workers == 1)) || expect 10 "the workers' front" front answers "$WORKER_URL/alive"
}

# A signal that arrives just before `wait` begins is noticed only when `wait` ends: so it ends every second.
tick() {
    sleep 1 &
    timer_of[$!]=tick
}

# Waits for whatever ends next: a timer or a program. Web and workers are started again, as the platform would
# do; without PostgreSQL or the emulator nothing can run.
supervise() {
    local pid status name
    tick
    while true; do
        status=0
        wait -n -p pid || status=$?
        if [[ -n ${timer_of[$pid]:-} ]]; then
            name=${timer_of[$pid]}
            unset "timer_of[$pid]"
            if [[ $name == tick ]]; then
                tick
            else
                start "$name"
            fi
            continue
        fi
        name=${name_of[$pid]:-}
        [[ -n $name ]] || continue
        unset "name_of[$pid]" "pid_of[$name]"
        case $name in
            web | worker.*)
                say "$name (process $pid) ended with status $status; starting it again"
                start_later "$name"
                ;;
            *) give_up "$name" "$name (process $pid) ended with status $status" ;;
        esac
    done
}

none_running() {
    local name
    for name in "$@"; do
        ! running "$name" || return 1
    done
}

# end SIGNAL SECONDS LAST_SIGNAL NAME…: sends the signal, waits, and sends the last signal to what still runs.
end() {
    local signal=$1 seconds=$2 last=$3 name
    shift 3
    for name in "$@"; do
        running "$name" && kill -s "$signal" "${pid_of[$name]}"
    done
    wait_until "$seconds" none_running "$@" && return 0
    for name in "$@"; do
        running "$name" && say "$name did not end; SIG$last" && kill -s "$last" "${pid_of[$name]}"
    done
    wait_until 5 none_running "$@"
}

# Stops everything in the order of dependencies, and exits with the given status.
stop() {
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    say "stopping"
    local pid
    for pid in "${!timer_of[@]}"; do
        kill "$pid" 2>/dev/null
    done
    end TERM 11 KILL web "${worker_names[@]}"
    end TERM 6 KILL front emulator
    end INT 5 QUIT postgres
    rm -rf "$sockets" "$data/sockets"
    wait
    say "stopped"
    exit "$1"
}

main() {
    sockets=
    worker_names=()
    read_settings
    MR_INSTALL_LOG=$data/install.log install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
    lock_data
    check_ports
    check_host STORAGE_EMULATOR_HOST "$STORAGE_URL"
    check_host PUBSUB_EMULATOR_HOST "$PUBSUB_URL"
    build
    postgres_init "$data/postgres"
    make_socket_directory
    export_environment
    trap 'stop 130' INT
    trap 'stop 0' TERM HUP
    trap 'stop $?' EXIT
    start_all
    echo "ready: http://localhost:$port (API reader: http://localhost:$port/docs)"
    supervise
}
main "$@"
