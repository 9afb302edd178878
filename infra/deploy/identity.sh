# shellcheck shell=bash
# Service accounts and their permissions: each gets only what it needs. Sourced by infra/deploy.sh.

# How many policies are read at the same time.
PARALLEL=4

# account|display name
ACCOUNTS=(
    'web|what mediarun-web runs as'
    'worker|what mediarun-worker runs as'
    'pusher|whose tokens Pub/Sub shows to the worker'
    'scheduler|whose tokens Cloud Scheduler and the dead letters show to web'
    'builder|what Cloud Build runs as'
)

# A grant is resource|role|member|reason. A resource is a kind of KINDS and a name.
declare_grants() {
    local web worker builder topic
    web=serviceAccount:$(account web)
    worker=serviceAccount:$(account worker)
    builder=serviceAccount:$(account builder)
    GRANTS=(
        "project $PROJECT|roles/cloudsql.client|$web|connects to the database"
        "project $PROJECT|roles/cloudsql.client|$worker|connects to the database"
        "project $PROJECT|roles/logging.logWriter|$builder|writes its log"
        "bucket $BUCKET|roles/storage.objectUser|$web|stores inputs, signs and streams results, deletes both"
        "bucket $BUCKET|roles/storage.objectUser|$worker|reads inputs, stores results"
        "project $PROJECT|roles/containeranalysis.occurrences.editor|$builder|attaches bills of materials to images"
        "project $PROJECT|roles/containeranalysis.notes.editor|$builder|attaches bills of materials to images"
        "project $PROJECT|roles/cloudbuild.builds.editor|$builder|starts the weekly build"
        "bucket $BUILD_BUCKET|roles/storage.objectUser|$builder|reads the source of a build, stores bills of materials"
        "repository $REPOSITORY|roles/artifactregistry.writer|$builder|pushes images"
        "secret $SECRET_DATABASE|roles/secretmanager.secretAccessor|$web|migrates as the owner of the tables"
        "secret $SECRET_DATABASE_WEB|roles/secretmanager.secretAccessor|$web|logs in to the database"
        "secret $SECRET_DATABASE_WORKER|roles/secretmanager.secretAccessor|$worker|logs in to the database"
        "secret $SECRET_JWT|roles/secretmanager.secretAccessor|$web|signs login tokens"
        "account $(account web)|roles/iam.serviceAccountTokenCreator|$web|signs links to results as itself (signBlob)"
        "account $(account builder)|roles/iam.serviceAccountUser|$builder|starts the weekly build as itself"
        "account $(account web)|roles/iam.serviceAccountUser|$builder|deploys what runs as it"
        "account $(account worker)|roles/iam.serviceAccountUser|$builder|deploys what runs as it"
        "topic $TOPIC|roles/pubsub.publisher|$worker|publishes again what it put off for other users"
        "topic $TOPIC_HIGH|roles/pubsub.publisher|$worker|publishes again what it put off for other users"
        "topic $TOPIC_DELIVERIES|roles/pubsub.publisher|$worker|publishes deliveries of a finished task"
        "topic $TOPIC_DEAD|roles/pubsub.publisher|serviceAccount:$PUBSUB_AGENT|publishes dead letters"
    )
    for topic in "${MR_QUEUES[@]}"; do
        GRANTS+=("topic $topic|roles/pubsub.publisher|$web|publishes tasks, and in the sweep what was not published")
    done
    [[ -z $SMTP_URL ]] || GRANTS+=("secret $SECRET_SMTP|roles/secretmanager.secretAccessor|$worker|logs in to the mail relay")
    # Granted when the services and subscriptions exist. That web is public is the last step: ensure_public.
    LATE_GRANTS=(
        "service $WORKER_SERVICE|roles/run.invoker|serviceAccount:$(account pusher)|only Pub/Sub reaches the worker"
        "service $WEB_SERVICE|roles/run.developer|$builder|deploys new revisions"
        "service $WORKER_SERVICE|roles/run.developer|$builder|deploys new revisions"
    )
    for topic in "${MR_QUEUES[@]}"; do
        LATE_GRANTS+=("subscription $topic-worker|roles/pubsub.subscriber|serviceAccount:$PUBSUB_AGENT|removes dead letters")
    done
}

# kind → API|gcloud command|flags that its names need
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

# The Pub/Sub service agent must exist before it can be granted a role.
ensure_pubsub_agent() {
    [[ $1 != *"$PUBSUB_AGENT" ]] || ((AGENT_MADE)) || change beta services identity create --service=pubsub.googleapis.com
    [[ $1 != *"$PUBSUB_AGENT" ]] || AGENT_MADE=1
}

# read_policy RESOURCE: prints lines "role<tab>member".
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

# read_policies RESOURCE…: fills the caller's `policy`, several at a time, because each takes gcloud a second or two.
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

# ensure_grants GRANT…: adds the missing grants. A resource that this run created has no grants yet, so its policy is not read.
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
