# shellcheck shell=bash
# Sets up the emulator as infra/deploy.sh sets up the cloud with gcloud: bucket, topics, push subscriptions and
# the scheduler's job. Everything may exist already; what contains an address is replaced.
#
# Reads: STORAGE_URL PUBSUB_URL SCHEDULER_URL (base URLs), GOOGLE_CLOUD_PROJECT BUCKET, the names and numbers of
# infra/names.sh, WORKER_URL WEB_URL (where to push; also the audiences) and PUSH_SERVICE_ACCOUNT.

MR_INFRA=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/names.sh
. "$MR_INFRA/names.sh"

# ask METHOD URL JSON: prints the HTTP status.
ask() {
    curl -sS -o /dev/null -m 10 -w '%{http_code}' -X "$1" -H 'Content-Type: application/json' --data "$3" "$2" || true
}

# ensure METHOD URL JSON: creates something; returns 2 if it exists already.
ensure() {
    local status
    status=$(ask "$@")
    case $status in
        2??) return 0 ;;
        409) return 2 ;;
        *) die "provisioning: $1 $2 answered $status" ;;
    esac
}

# replace METHOD URL JSON: as ensure, but only success is accepted.
replace() {
    local status
    status=$(ask "$@")
    [[ $status == 2?? ]] || die "provisioning: $1 $2 answered $status"
}

push_config() { # URL AUDIENCE
    printf '{"pushEndpoint":"%s","oidcToken":{"serviceAccountEmail":"%s","audience":"%s"}}' \
        "$1" "$PUSH_SERVICE_ACCOUNT" "$2"
}

# push_subscription NAME TOPIC PUSH_CONFIG FURTHER_FIELDS
push_subscription() {
    local project=$PUBSUB_URL/v1/projects/$GOOGLE_CLOUD_PROJECT
    local body
    body=$(printf '{"topic":"projects/%s/topics/%s","pushConfig":%s,"ackDeadlineSeconds":%s,"expirationPolicy":{},
        "retryPolicy":{"minimumBackoff":"%ss","maximumBackoff":"%ss"}%s}' "$GOOGLE_CLOUD_PROJECT" "$2" "$3" \
        "$MR_ACK_DEADLINE_S" "$MR_RETRY_MIN_S" "$MR_RETRY_MAX_S" "$4")
    ensure PUT "$project/subscriptions/$1" "$body" ||
        replace POST "$project/subscriptions/$1:modifyPushConfig" "{\"pushConfig\":$3}"
}

provision_storage() {
    ensure POST "$STORAGE_URL/storage/v1/b?project=$GOOGLE_CLOUD_PROJECT" "{\"name\":\"$BUCKET\"}" || true
    # For signed URLs: any page that has one may read the object, as the URL itself is the secret. Direct uploads use the
    # Origin that web begins their session with instead.
    replace PATCH "$STORAGE_URL/storage/v1/b/$BUCKET" "{\"cors\":$(<"$MR_INFRA/storage/cors.json")}"
}

provision_pubsub() {
    local topics=projects/$GOOGLE_CLOUD_PROJECT/topics topic
    for topic in "${MR_QUEUES[@]}" "$MR_TOPIC_DEAD"; do
        ensure PUT "$PUBSUB_URL/v1/$topics/$topic" '{}' || true
    done
    for topic in "${MR_QUEUES[@]}"; do
        push_subscription "$topic-worker" "$topic" "$(push_config "$WORKER_URL/" "$WORKER_URL")" \
            ",\"deadLetterPolicy\":{\"deadLetterTopic\":\"$topics/$MR_TOPIC_DEAD\",\"maxDeliveryAttempts\":$MR_DELIVERY_ATTEMPTS}"
    done
    push_subscription "$MR_SUBSCRIPTION_DEAD" "$MR_TOPIC_DEAD" "$(push_config "$WEB_URL$MR_DEAD_LETTERS_PATH" "$WEB_URL")" ''
}

provision_scheduler() {
    local jobs=projects/$GOOGLE_CLOUD_PROJECT/locations/local/jobs body
    body=$(printf '{"name":"%s","schedule":"%s","timeZone":"Etc/UTC","attemptDeadline":"60s",
        "httpTarget":{"uri":"%s","httpMethod":"POST","headers":{"Content-Type":"application/json"},"body":"e30=",
        "oidcToken":{"serviceAccountEmail":"%s","audience":"%s"}}}' \
        "$jobs/$MR_SWEEP_JOB" "$MR_SWEEP_SCHEDULE" "$WEB_URL$MR_SWEEP_PATH" "$PUSH_SERVICE_ACCOUNT" "$WEB_URL")
    ensure POST "$SCHEDULER_URL/v1/$jobs" "$body" || replace PATCH "$SCHEDULER_URL/v1/$jobs/$MR_SWEEP_JOB" "$body"
}

provision() {
    provision_storage
    provision_pubsub
    provision_scheduler
}
