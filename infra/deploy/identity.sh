# shellcheck shell=bash
# Who there is, and who may do what: the least that each needs. Sourced by infra/deploy.sh.

# Policies that are read at once.
PARALLEL=4

# account|what it is for
ACCOUNTS=(
    'web|what mediarun-web runs as'
    'worker|what mediarun-worker runs as'
    'pusher|whose tokens Pub/Sub shows to the worker'
    'scheduler|whose tokens Cloud Scheduler and the dead letters show to web'
    'builder|what Cloud Build runs as'
)

# Each grant: resource|role|member|why. A resource is a kind of KINDS and a name.
declare_grants() {
    local web worker builder lane
    web=serviceAccount:$(account web)
    worker=serviceAccount:$(account worker)
    builder=serviceAccount:$(account builder)
    GRANTS=(
        "project $PROJECT|roles/cloudsql.client|$web|reaches the database's socket"
        "project $PROJECT|roles/cloudsql.client|$worker|reaches the database's socket"
        "project $PROJECT|roles/logging.logWriter|$builder|writes its log"
        "bucket $BUCKET|roles/storage.objectUser|$web|stores inputs, signs and streams results, deletes both"
        "bucket $BUCKET|roles/storage.objectUser|$worker|reads inputs, stores results"
        "bucket $BUILD_BUCKET|roles/storage.objectViewer|$builder|reads the source that was handed in"
        "repository $REPOSITORY|roles/artifactregistry.writer|$builder|pushes images"
        "secret $SECRET_DATABASE|roles/secretmanager.secretAccessor|$web|logs in at the database"
        "secret $SECRET_DATABASE|roles/secretmanager.secretAccessor|$worker|logs in at the database"
        "secret $SECRET_JWT|roles/secretmanager.secretAccessor|$web|signs login tokens"
        "account $(account web)|roles/iam.serviceAccountTokenCreator|$web|signs links to results as itself (signBlob)"
        "account $(account web)|roles/iam.serviceAccountUser|$builder|deploys what runs as it"
        "account $(account worker)|roles/iam.serviceAccountUser|$builder|deploys what runs as it"
        "topic $TOPIC_DELIVERIES|roles/pubsub.publisher|$worker|announces what a finished task owes"
        "topic $TOPIC_DEAD|roles/pubsub.publisher|serviceAccount:$PUBSUB_AGENT|puts dead letters there"
    )
    for lane in "${MR_LANES[@]}"; do
        GRANTS+=("topic $lane|roles/pubsub.publisher|$web|queues tasks; the sweep what is still owed")
    done
    [[ -z $SMTP_URL ]] || GRANTS+=("secret $SECRET_SMTP|roles/secretmanager.secretAccessor|$worker|logs in at the mail relay")
    # Once the services and subscriptions are there.
    LATE_GRANTS=(
        "service $WEB_SERVICE|roles/run.invoker|allUsers|it is the public API; web checks logins itself"
        "service $WORKER_SERVICE|roles/run.invoker|serviceAccount:$(account pusher)|nobody else reaches the worker"
        "service $WEB_SERVICE|roles/run.developer|$builder|deploys new revisions"
        "service $WORKER_SERVICE|roles/run.developer|$builder|deploys new revisions"
    )
    for lane in "${MR_LANES[@]}"; do
        LATE_GRANTS+=("subscription $lane-worker|roles/pubsub.subscriber|serviceAccount:$PUBSUB_AGENT|takes dead letters out")
    done
}

# kind → API|gcloud's words|flags that its names need
declare_kinds() {
    declare -gA KINDS=(
        [project]='cloudresourcemanager|projects|'
        [bucket]='storage|storage buckets|'
        [repository]="artifactregistry|artifacts repositories|--location=$REGION"
        [secret]='secretmanager|secrets|'
        [account]='iam|iam service-accounts|'
        [topic]='pubsub|pubsub topics|'
        [subscription]='pubsub|pubsub subscriptions|'
        [service]="run|run services|--region=$REGION"
    )
}

ensure_accounts() {
    local entry name present
    present=$(ask iam iam service-accounts list --format='value(email)')
    note account "$present"
    for entry in "${ACCOUNTS[@]}"; do
        name=${entry%%|*}
        has_line "$present" "$(account "$name")" ||
            change iam service-accounts create "mediarun-$name" --display-name="mediarun: ${entry#*|}"
    done
}

# The Pub/Sub service agent has to exist before it is given anything.
ensure_pubsub_agent() {
    [[ $1 != *"$PUBSUB_AGENT" ]] || ((AGENT_MADE)) || change beta services identity create --service=pubsub.googleapis.com
    [[ $1 != *"$PUBSUB_AGENT" ]] || AGENT_MADE=1
}

# read_policy RESOURCE: lines "role<tab>member"; nothing of what is not there yet.
read_policy() {
    local words flags api name=${1#* }
    IFS='|' read -r api words flags <<<"${KINDS[${1%% *}]}"
    [[ ${1%% *} != bucket ]] || name=gs://$name
    # shellcheck disable=SC2086 # words
    ask "$api" $words get-iam-policy "$name" $flags --flatten='bindings[].members' \
        --format='value(bindings.role,bindings.members)'
}

grant() { # RESOURCE ROLE MEMBER
    local words flags _ condition=() name=${1#* }
    IFS='|' read -r _ words flags <<<"${KINDS[${1%% *}]}"
    [[ ${1%% *} != bucket ]] || name=gs://$name
    [[ ${1%% *} != project ]] || condition=(--condition=None)
    ensure_pubsub_agent "$3"
    # shellcheck disable=SC2086 # words
    change $words add-iam-policy-binding "$name" $flags --member="$3" --role="$2" "${condition[@]}"
}

# read_policies RESOURCE…: into the caller's `policy`, several at once: each takes gcloud a second or two.
read_policies() {
    local resource pids=() pid i=0
    for resource in "$@"; do
        ((++i <= PARALLEL)) || wait "${pids[i - PARALLEL - 1]}"
        read_policy "$resource" >"$SCRATCH/policy.$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    i=0
    for resource in "$@"; do
        policy[$resource]=$(<"$SCRATCH/policy.$((++i))")
    done
}

# ensure_grants GRANT…: adds what is lacking. Of what this run has made there is nothing to read: all is lacking.
ensure_grants() {
    local entry resource role member resources
    local -A policy=()
    mapfile -t resources < <(printf '%s\n' "${@%%|*}" | sort -u | grep -xF -f <(printf '%s' "$KNOWN"))
    read_policies "${resources[@]}"
    for entry in "$@"; do
        IFS='|' read -r resource role member _ <<<"$entry"
        has_line "${policy[$resource]:-}" "$role"$'\t'"$member" || grant "$resource" "$role" "$member"
    done
}
