# shellcheck shell=bash
# Topics, push subscriptions and the job of the sweep. Names and numbers are in infra/names.sh. Sourced by infra/deploy.sh.

ensure_topics() {
    local topic present missing=()
    present=$(ask pubsub pubsub topics list --format='value(name.basename())')
    note topic "$present"
    for topic in "${MR_QUEUES[@]}" "$MR_TOPIC_DEAD"; do
        has_line "$present" "$topic" || missing+=("$topic")
    done
    ((${#missing[@]} == 0)) || change pubsub topics create "${missing[@]}" --labels=app=mediarun ${KMS_KEY:+"--topic-encryption-key=$KMS_KEY"}
}

# ensure_subscription NAME TOPIC URL AUDIENCE ACCOUNT [FLAG…]
ensure_subscription() {
    local name=$1 topic=$2 mark flags=("--push-endpoint=$3" "--push-auth-token-audience=$4" "--push-auth-service-account=$5"
        "--ack-deadline=$MR_ACK_DEADLINE_S" "--min-retry-delay=${MR_RETRY_MIN_S}s" "--max-retry-delay=${MR_RETRY_MAX_S}s"
        --message-retention-duration=7d --expiration-period=never "${@:6}")
    mark=$(settings_of "$topic" "${flags[@]}")
    if ! grep -q "^$name"$'\t' <<<"$SUBSCRIPTIONS"; then
        change pubsub subscriptions create "$name" --topic="$topic" "${flags[@]}" --labels="app=mediarun,settings=$mark"
    elif ! in_place "$(field_of "$SUBSCRIPTIONS" "$name")" "$mark"; then
        change pubsub subscriptions update "$name" "${flags[@]}" --update-labels="settings=$mark"
    fi
}

ensure_subscriptions() {
    local topic
    SUBSCRIPTIONS=$(ask pubsub pubsub subscriptions list --format='value(name.basename(),labels.settings)')
    note subscription "$SUBSCRIPTIONS"
    for topic in "${MR_QUEUES[@]}"; do
        ensure_subscription "$topic-worker" "$topic" "$WORKER_URL/" "$WORKER_SERVICE" "$(account pusher)" \
            --dead-letter-topic="$MR_TOPIC_DEAD" --max-delivery-attempts="$MR_DELIVERY_ATTEMPTS"
    done
    ensure_subscription "$MR_SUBSCRIPTION_DEAD" "$MR_TOPIC_DEAD" "$WEB_URL$MR_DEAD_LETTERS_PATH" "$WEB_SERVICE" "$(account scheduler)"
}

# A job has no labels, so its description holds the hash of the settings.
ensure_sweep() {
    local mark verb=update present flags=("--schedule=$MR_SWEEP_SCHEDULE" --time-zone=Etc/UTC "--uri=$WEB_URL$MR_SWEEP_PATH" --http-method=POST
        --message-body='{}' "--oidc-service-account-email=$(account scheduler)" "--oidc-token-audience=$WEB_SERVICE"
        --attempt-deadline=60s --max-retry-attempts=0) # the next run is a minute later
    mark=$(settings_of "${flags[@]}")
    present=$(ask cloudscheduler scheduler jobs list --location="$REGION" --format='value(name.basename(),description)')
    if ! grep -q "^$MR_SWEEP_JOB"$'\t' <<<"$present"; then
        verb=create
    elif in_place "$(field_of "$present" "$MR_SWEEP_JOB")" "mediarun sweep $mark"; then
        return 0
    fi
    local headers=--headers
    [[ $verb == create ]] || headers=--update-headers
    change scheduler jobs "$verb" http "$MR_SWEEP_JOB" --location="$REGION" "${flags[@]}" \
        "$headers=Content-Type=application/json" --description="mediarun sweep $mark"
}
