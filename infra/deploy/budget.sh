# shellcheck shell=bash
# Checks, before anything is created, that the numbers in infra/services/*.yaml fit together and fit the limits of the
# database and of Pub/Sub: connections, slots, memory and timeouts. Sourced by infra/deploy.sh.

# Connections that the services must leave free: three for the superuser, the rest for Cloud SQL itself and for psql.
SPARE_CONNECTIONS=15
# Memory that the worker needs besides its conversions.
PROGRAM_MIB=512
# Time that must remain of a request to commit the result.
COMMIT_S=60
# The maximum length of a Unix socket's path, with the terminating zero.
SOCKET_PATH_MAX=108

declare -A WEB=() WORKER=() # the numbers in the two files

# read_numbers ARRAY FILE KEY…: reads numbers written as `KEY: N`, as `KEY: "N"`, or as the value of a variable.
read_numbers() {
    # shellcheck disable=SC2178,SC2034 # the name of the array
    local -n numbers=$1
    local file=$2 key found
    for key in "${@:3}"; do
        found=$(sed -nE "s/^.*(^|[ {\/])$key: \"?([0-9]+)\"?.*\$/\2/p; s/^.*name: $key, value: \"([0-9]+)\".*\$/\1/p" "$file" | head -n 1)
        [[ -n $found ]] || die "${file#"$ROOT"/} has no number for $key"
        # shellcheck disable=SC2004,SC2034 # an associative array
        numbers[$key]=$found
    done
}

# memory_mib FILE: prints the memory limit of a service.
memory_mib() {
    local found
    found=$(sed -nE 's/^.*memory: "?([0-9]+)([MG])i.*$/\1 \2/p' "$1" | head -n 1)
    [[ -n $found ]] || die "${1#"$ROOT"/} has no memory limit in Mi or Gi"
    local unit=1
    [[ ${found#* } != G ]] || unit=1024
    printf '%s' $((${found% *} * unit))
}

# The error of each check says which number to change.
check_connections() {
    local web worker needed
    web=$((WEB[maxScale] * (WEB[DATABASE_POOL] + 1))) # one more for LISTEN
    worker=$((WORKER[maxScale] * WORKER[DATABASE_POOL]))
    needed=$((2 * (web + worker) + SPARE_CONNECTIONS)) # twice: two revisions run during a rollout
    ((needed <= MAX_CONNECTIONS)) ||
        die "the services may open $needed connections (twice web's $web plus worker's $worker, and $SPARE_CONNECTIONS spare)," \
            "the database accepts $MAX_CONNECTIONS: lower maxScale or DATABASE_POOL in infra/services, or raise --max-connections"
}

check_slots() {
    local slots concurrency
    slots=$((WORKER[SLOTS] + WORKER[HIGH_SLOTS] + WORKER[DELIVERY_SLOTS] + WORKER[PARKED_PUSHES]))
    concurrency=${WORKER[containerConcurrency]}
    ((concurrency <= slots)) ||
        die "worker.yaml: containerConcurrency $concurrency is above SLOTS + HIGH_SLOTS + DELIVERY_SLOTS + PARKED_PUSHES = $slots:" \
            "pushes would be refused; lower containerConcurrency or raise PARKED_PUSHES"
    slots=${WEB[MAX_CONNECTIONS]}
    concurrency=${WEB[containerConcurrency]}
    ((concurrency <= slots)) ||
        die "web.yaml: containerConcurrency $concurrency is above MAX_CONNECTIONS = $slots: connections would be closed;" \
            "lower containerConcurrency or raise MAX_CONNECTIONS"
}

check_memory() {
    local file=$ROOT/infra/services/worker.yaml needed limit
    needed=$(((WORKER[SLOTS] + WORKER[HIGH_SLOTS]) * WORKER[SANDBOX_MEMORY_MIB] + PROGRAM_MIB))
    limit=$(memory_mib "$file")
    ((needed <= limit)) ||
        die "worker.yaml: conversions may use $needed MiB, the limit is $limit MiB: raise memory, or lower SLOTS, HIGH_SLOTS or" \
            "SANDBOX_MEMORY_MIB"
}

check_times() {
    local job request
    job=${WORKER[JOB_TIMEOUT_SECONDS]}
    request=${WORKER[timeoutSeconds]}
    ((request <= 3600)) || die "worker.yaml: timeoutSeconds $request is above Cloud Run's limit of 3600"
    ((request >= MR_ACK_DEADLINE_S + COMMIT_S)) ||
        die "worker.yaml: timeoutSeconds $request ends pushes before their ack deadline ($MR_ACK_DEADLINE_S s): set it to $((MR_ACK_DEADLINE_S + COMMIT_S)) or more"
    ((job + COMMIT_S <= MR_ACK_DEADLINE_S)) || grep -q 'cpu-throttling: "false"' "$ROOT/infra/services/worker.yaml" ||
        die "worker.yaml: a conversion of JOB_TIMEOUT_SECONDS $job outlives its push ($MR_ACK_DEADLINE_S s) and would lose the CPU:" \
            "set cpu-throttling to \"false\", or JOB_TIMEOUT_SECONDS to $((MR_ACK_DEADLINE_S - COMMIT_S)) or less"
    ((WORKER[ACK_DEADLINE_SECONDS] <= MR_ACK_DEADLINE_S)) ||
        die "worker.yaml: ACK_DEADLINE_SECONDS ${WORKER[ACK_DEADLINE_SECONDS]} is above the subscriptions' $MR_ACK_DEADLINE_S s:" \
            "pushes that wait would be answered too late; lower it"
    ((MR_ACK_DEADLINE_S >= 10 && MR_ACK_DEADLINE_S <= 600)) || die "names.sh: MR_ACK_DEADLINE_S must be 10 to 600"
}

# The path at which Cloud Run mounts the database's socket must not be too long.
check_socket() {
    local path=/cloudsql/$PROJECT:$REGION:$SQL_INSTANCE/.s.PGSQL.5432
    ((${#path} < SOCKET_PATH_MAX)) ||
        die "the path of the database's socket, $path, is longer than $((SOCKET_PATH_MAX - 1)) characters: choose a shorter project or region"
}

check_budget() {
    read_numbers WEB "$ROOT/infra/services/web.yaml" maxScale DATABASE_POOL containerConcurrency MAX_CONNECTIONS
    read_numbers WORKER "$ROOT/infra/services/worker.yaml" maxScale DATABASE_POOL containerConcurrency timeoutSeconds \
        SLOTS HIGH_SLOTS DELIVERY_SLOTS PARKED_PUSHES ACK_DEADLINE_SECONDS JOB_TIMEOUT_SECONDS SANDBOX_MEMORY_MIB
    check_connections
    check_slots
    check_memory
    check_times
    check_socket
}
