# shellcheck shell=bash
# Sets up the emulator as infra/deploy.sh sets up the cloud with gcloud: bucket, topics, push subscriptions and
# the scheduler's job. Everything may exist already; what contains an address is replaced.
#
# Reads: STORAGE_URL PUBSUB_URL SCHEDULER_URL (base URLs), GOOGLE_CLOUD_PROJECT BUCKET, the names and numbers of
# infra/names.sh, WORKER_URL WEB_URL (where to push; also the audiences) and PUSH_SERVICE_ACCOUNT.

MR_INFRA=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/names.sh
. "$MR_INFRA/names.sh"

# request METHOD URL JSON: adds to `requests`, which `ask` sends by one curl, because its start takes longer than they do.
requests=()
request() {
    ((${#requests[@]} == 0)) || requests+=(--next)
    requests+=(-sS -o /dev/null -m 10 -w '%{http_code}\n' -X "$1" -H 'Content-Type: application/json' --data "$3" "$2")
}

# ask: sends the requests in their order. Leaves the answers' HTTP statuses in `statuses`.
statuses=()
ask() {
    mapfile -t statuses < <(curl "${requests[@]}" || true)
    requests=()
}

# resource METHOD URL JSON METHOD URL JSON: a request that creates something, and the one that changes it if it exists; without
# the second one it stays as it is.
resources=()
resource() {
    request "$1" "$2" "$3"
    resources+=("$1 $2" "${4:-}" "${5:-}" "${6:-}")
}

# settle: sends what `resource` has collected. `always` holds further changes: METHOD URL JSON.
always=()
settle() {
    ask
    local i=0 status changes=()
    for status in "${statuses[@]}"; do
        case $status in
            2??) ;;
            409) [[ -z ${resources[i + 1]} ]] || changes+=("${resources[@]:i+1:3}") ;;
            *) die "provisioning: ${resources[i]} answered $status" ;;
        esac
        i=$((i + 4))
    done
    ((i == ${#resources[@]})) || die "provisioning: curl failed"
    changes+=("${always[@]}")
    resources=() always=()
    for ((i = 0; i < ${#changes[@]}; i += 3)); do
        request "${changes[@]:i:3}"
    done
    ((${#changes[@]} == 0)) || ask
    for ((i = 0; i < ${#changes[@]}; i += 3)); do
        status=${statuses[i / 3]:-000}
        [[ $status == 2?? ]] || die "provisioning: ${changes[i]} ${changes[i + 1]} answered $status"
    done
}

push_config() { # URL AUDIENCE
    printf '{"pushEndpoint":"%s","oidcToken":{"serviceAccountEmail":"%s","audience":"%s"}}' \
        "$1" "$PUSH_SERVICE_ACCOUNT" "$2"
}

# push_subscription NAME TOPIC PUSH_CONFIG FURTHER_FIELDS
push_subscription() {
    local project=$PUBSUB_URL/v1/projects/$GOOGLE_CLOUD_PROJECT
    local body
    printf -v body '{"topic":"projects/%s/topics/%s","pushConfig":%s,"ackDeadlineSeconds":%s,"expirationPolicy":{},
        "retryPolicy":{"minimumBackoff":"%ss","maximumBackoff":"%ss"}%s}' "$GOOGLE_CLOUD_PROJECT" "$2" "$3" \
        "$MR_ACK_DEADLINE_S" "$MR_RETRY_MIN_S" "$MR_RETRY_MAX_S" "$4"
    resource PUT "$project/subscriptions/$1" "$body" POST "$project/subscriptions/$1:modifyPushConfig" "{\"pushConfig\":$3}"
}

provision_storage() {
    resource POST "$STORAGE_URL/storage/v1/b?project=$GOOGLE_CLOUD_PROJECT" "{\"name\":\"$BUCKET\"}"
    # For signed URLs: any page that has one may read the object, as the URL itself is the secret. Direct uploads use the
    # Origin that web begins their session with instead.
    always+=(PATCH "$STORAGE_URL/storage/v1/b/$BUCKET" "{\"cors\":$(<"$MR_INFRA/storage/cors.json")}")
}

provision_pubsub() {
    local topics=projects/$GOOGLE_CLOUD_PROJECT/topics topic
    for topic in "${MR_QUEUES[@]}" "$MR_TOPIC_DEAD"; do
        resource PUT "$PUBSUB_URL/v1/$topics/$topic" '{}'
    done
    for topic in "${MR_QUEUES[@]}"; do
        push_subscription "$topic-worker" "$topic" "$(push_config "$WORKER_URL/" "$WORKER_URL")" \
            ",\"deadLetterPolicy\":{\"deadLetterTopic\":\"$topics/$MR_TOPIC_DEAD\",\"maxDeliveryAttempts\":$MR_DELIVERY_ATTEMPTS}"
    done
    push_subscription "$MR_SUBSCRIPTION_DEAD" "$MR_TOPIC_DEAD" "$(push_config "$WEB_URL$MR_DEAD_LETTERS_PATH" "$WEB_URL")" ''
}

provision_scheduler() {
    local jobs=projects/$GOOGLE_CLOUD_PROJECT/locations/local/jobs body
    printf -v body '{"name":"%s","schedule":"%s","timeZone":"Etc/UTC","attemptDeadline":"60s",
        "httpTarget":{"uri":"%s","httpMethod":"POST","headers":{"Content-Type":"application/json"},"body":"e30=",
        "oidcToken":{"serviceAccountEmail":"%s","audience":"%s"}}}' \
        "$jobs/$MR_SWEEP_JOB" "$MR_SWEEP_SCHEDULE" "$WEB_URL$MR_SWEEP_PATH" "$PUSH_SERVICE_ACCOUNT" "$WEB_URL"
    resource POST "$SCHEDULER_URL/v1/$jobs" "$body" PATCH "$SCHEDULER_URL/v1/$jobs/$MR_SWEEP_JOB" "$body"
}

provision() {
    provision_storage
    provision_pubsub
    provision_scheduler
    settle
}
