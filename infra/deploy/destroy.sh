# shellcheck shell=bash
# The way back: deletes what infra/deploy.sh has made, data too. The APIs stay enabled. Sourced by infra/deploy.sh.

confirm() {
    local typed
    say "This deletes mediarun in $PROJECT: services, the database with its backups, both buckets with all files, secrets, images."
    read -r -p "The project's name, to go on: " typed || typed=
    [[ $typed == "$PROJECT" ]] || die "nothing was deleted"
}

# delete_each PRESENT WANTED… -- COMMAND…: deletes those of WANTED that are lines of PRESENT; the name comes third-to-last:
# each COMMAND word NAME is replaced.
delete_each() {
    local present=$1 names=() name
    shift
    while [[ $1 != -- ]]; do
        names+=("$1")
        shift
    done
    shift
    for name in "${names[@]}"; do
        ! has_line "$present" "$name" || change "${@//NAME/$name}"
    done
}

delete_monitoring() {
    local name file
    for name in $(ask monitoring alpha monitoring policies list --filter='userLabels.app=mediarun' --format='value(name)'); do
        change alpha monitoring policies delete "$name"
    done
    for name in $(ask monitoring monitoring uptime list-configs --filter='userLabels.app=mediarun' --format='value(name)'); do
        change monitoring uptime delete "$name"
    done
    for name in $(ask monitoring monitoring dashboards list --filter='labels.app=mediarun' --format='value(name)'); do
        change monitoring dashboards delete "$name"
    done
    for name in $(ask monitoring beta monitoring channels list --filter='userLabels.app=mediarun' --format='value(name)'); do
        change beta monitoring channels delete "$name"
    done
    local metrics=()
    for file in "$root"/infra/monitoring/metrics/*.json; do
        metrics+=("$(basename "$file" .json)")
    done
    delete_each "$(ask logging logging metrics list --format='value(name.basename())')" "${metrics[@]}" -- logging metrics delete NAME
}

delete_messaging() {
    local subscriptions=("$MR_SUBSCRIPTION_DEAD") lane
    for lane in "${MR_LANES[@]}"; do
        subscriptions+=("$lane-worker")
    done
    delete_each "$(ask cloudscheduler scheduler jobs list --location="$REGION" --format='value(name.basename())')" \
        "$MR_SWEEP_JOB" -- scheduler jobs delete NAME --location="$REGION"
    delete_each "$(ask pubsub pubsub subscriptions list --format='value(name.basename())')" "${subscriptions[@]}" \
        -- pubsub subscriptions delete NAME
    delete_each "$(ask pubsub pubsub topics list --format='value(name.basename())')" "${MR_LANES[@]}" "$MR_TOPIC_DEAD" \
        -- pubsub topics delete NAME
}

delete_database() {
    [[ -n $(ask sqladmin sql instances list --filter="name=$SQL_INSTANCE" --format='value(name)') ]] || return 0
    change sql instances patch "$SQL_INSTANCE" --no-deletion-protection
    change sql instances delete "$SQL_INSTANCE"
}

delete_data() {
    delete_each "$(ask secretmanager secrets list --format='value(name.basename())')" "$SECRET_DATABASE" "$SECRET_JWT" "$SECRET_SMTP" \
        -- secrets delete NAME
    delete_each "$(ask artifactregistry artifacts repositories list --location="$REGION" --format='value(name.basename())')" \
        "$REPOSITORY" -- artifacts repositories delete NAME --location="$REGION"
    delete_each "$(ask storage storage buckets list --format='value(name)')" "$BUCKET" "$BUILD_BUCKET" \
        -- storage rm --recursive gs://NAME
}

# What the project itself granted outlives the account it was granted to.
delete_accounts() {
    local entry policy resource role member emails=()
    declare_kinds
    declare_grants
    policy=$(read_policy "project $PROJECT")
    for entry in "${GRANTS[@]}"; do
        IFS='|' read -r resource role member _ <<<"$entry"
        [[ $resource != "project $PROJECT" ]] || ! has_line "$policy" "$role"$'\t'"$member" ||
            change projects remove-iam-policy-binding "$PROJECT" --member="$member" --role="$role" --condition=None
    done
    for entry in "${ACCOUNTS[@]}"; do
        emails+=("$(account "${entry%%|*}")")
    done
    delete_each "$(ask iam iam service-accounts list --format='value(email)')" "${emails[@]}" -- iam service-accounts delete NAME
}

# From the outside inwards, so that nothing calls what is gone.
destroy() {
    ((DRY_RUN)) || confirm
    delete_each "$(ask cloudbuild builds triggers list --region="$REGION" --format='value(name)')" "$TRIGGER" \
        -- builds triggers delete NAME --region="$REGION"
    delete_monitoring
    delete_messaging
    delete_each "$(ask run run services list --region="$REGION" --format='value(metadata.name)')" "$WEB_SERVICE" "$WORKER_SERVICE" \
        -- run services delete NAME --region="$REGION"
    delete_database
    delete_data
    delete_accounts
    say "$CHANGES deletions$( ((!DRY_RUN)) || echo ' would be made')"
}
