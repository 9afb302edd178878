# shellcheck shell=bash
# The numbers that must fit each other, checked before anything is made: connections to PostgreSQL, slots, memory and
# times of infra/services/*.yaml against the database's and Pub/Sub's limits. Sourced by infra/deploy.sh.

# Of PostgreSQL's connections: three for its superuser, the others for Cloud SQL itself and a person with psql.
SPARE_CONNECTIONS=15
# What a program takes besides its conversions.
PROGRAM_MIB=512
# What is left of a request's time to write a conversion's end down.
COMMIT_S=60
# A Unix socket's path, with its closing zero.
SOCKET_PATH_MAX=108

declare -A WEB=() WORKER=() # the numbers of the two files

# read_numbers ARRAY FILE KEY…: each is written `KEY: N`, `KEY: "N"`, or is a variable's value.
read_numbers() {
    # shellcheck disable=SC2178,SC2034 # it is the array that is named
    local -n numbers=$1
    local file=$2 key found
    for key in "${@:3}"; do
        found=$(sed -nE "s/^.*(^|[ {\/])$key: \"?([0-9]+)\"?.*\$/\2/p; s/^.*name: $key, value: \"([0-9]+)\".*\$/\1/p" "$file" | head -n 1)
        [[ -n $found ]] || die "${file#"$ROOT"/} says no number for $key"
        # shellcheck disable=SC2004,SC2034 # an associative array
        numbers[$key]=$found
    done
}

# memory_mib FILE: the memory's limit of a service.
memory_mib() {
    local found
    found=$(sed -nE 's/^.*memory: "?([0-9]+)([MG])i.*$/\1 \2/p' "$1" | head -n 1)
    [[ -n $found ]] || die "${1#"$ROOT"/} says no memory in Mi or Gi"
    local unit=1
    [[ ${found#* } != G ]] || unit=1024
    printf '%s' $((${found% *} * unit))
}

# Each check says which number to change.
check_connections() {
    local web worker needed
    web=$((WEB[maxScale] * (WEB[DATABASE_POOL] + 1))) # one more, to listen
    worker=$((WORKER[maxScale] * WORKER[DATABASE_POOL]))
    needed=$((2 * (web + worker) + SPARE_CONNECTIONS)) # twice: while a revision replaces another, both run
    ((needed <= MAX_CONNECTIONS)) ||
        die "the services may open $needed connections (twice web's $web and worker's $worker, and $SPARE_CONNECTIONS to spare)," \
            "the database takes $MAX_CONNECTIONS: lower maxScale or DATABASE_POOL in infra/services, or raise --max-connections"
}

check_slots() {
    local slots concurrency
    slots=$((WORKER[SLOTS] + WORKER[HIGH_SLOTS] + WORKER[DELIVERY_SLOTS]))
    concurrency=${WORKER[containerConcurrency]}
    ((concurrency <= slots)) ||
        die "worker.yaml: containerConcurrency $concurrency is above SLOTS + HIGH_SLOTS + DELIVERY_SLOTS = $slots:" \
            "pushes would be refused; lower the first, or raise the slots"
    slots=$((WEB[WEB_THREADS] + WEB[MAX_EVENT_STREAMS]))
    concurrency=${WEB[containerConcurrency]}
    ((concurrency <= slots)) ||
        die "web.yaml: containerConcurrency $concurrency is above WEB_THREADS + MAX_EVENT_STREAMS = $slots: requests would wait;" \
            "lower the first, or raise the others"
}

check_memory() {
    local file=$ROOT/infra/services/worker.yaml needed limit
    needed=$(((WORKER[SLOTS] + WORKER[HIGH_SLOTS]) * WORKER[SANDBOX_MEMORY_MIB] + PROGRAM_MIB))
    limit=$(memory_mib "$file")
    ((needed <= limit)) ||
        die "worker.yaml: its conversions may take $needed MiB, its limit is $limit MiB: raise memory, or lower SLOTS, HIGH_SLOTS or" \
            "SANDBOX_MEMORY_MIB"
}

check_times() {
    local job request
    job=${WORKER[JOB_TIMEOUT_SECONDS]}
    request=${WORKER[timeoutSeconds]}
    ((request <= 3600)) || die "worker.yaml: timeoutSeconds $request is above Cloud Run's 3600"
    ((job + COMMIT_S <= request)) ||
        die "worker.yaml: JOB_TIMEOUT_SECONDS $job leaves of timeoutSeconds $request less than $COMMIT_S s to commit: lower the first"
    ((job + COMMIT_S <= MR_ACK_DEADLINE_S)) || grep -q 'cpu-throttling: "false"' "$ROOT/infra/services/worker.yaml" ||
        die "worker.yaml: a conversion of JOB_TIMEOUT_SECONDS $job outlives its push ($MR_ACK_DEADLINE_S s) and would lose the CPU:" \
            "set cpu-throttling to \"false\", or JOB_TIMEOUT_SECONDS to $((MR_ACK_DEADLINE_S - COMMIT_S)) or less"
    ((MR_ACK_DEADLINE_S >= 10 && MR_ACK_DEADLINE_S <= 600)) || die "names.sh: an ack deadline is 10 to 600 s"
}

# The longest name of a file that the services open: where Cloud Run puts the database's socket.
check_socket() {
    local path=/cloudsql/$PROJECT:$REGION:$SQL_INSTANCE/.s.PGSQL.5432
    ((${#path} < SOCKET_PATH_MAX)) ||
        die "the database's socket would be $path, longer than $((SOCKET_PATH_MAX - 1)) characters: choose a shorter project or region"
}

check_budget() {
    read_numbers WEB "$ROOT/infra/services/web.yaml" maxScale DATABASE_POOL containerConcurrency WEB_THREADS MAX_EVENT_STREAMS
    read_numbers WORKER "$ROOT/infra/services/worker.yaml" maxScale DATABASE_POOL containerConcurrency timeoutSeconds \
        SLOTS HIGH_SLOTS DELIVERY_SLOTS JOB_TIMEOUT_SECONDS SANDBOX_MEMORY_MIB
    check_connections
    check_slots
    check_memory
    check_times
    check_socket
}
