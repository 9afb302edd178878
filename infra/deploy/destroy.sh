# shellcheck shell=bash
# Deletes everything that infra/deploy.sh created, including all data. The APIs stay enabled. Sourced by infra/deploy.sh.

confirm() {
    local typed
    say "This deletes mediarun in $PROJECT: services, the database with its backups, both buckets with all files, secrets, images."
    read -r -p "Type the project id to continue: " typed || typed=
    [[ $typed == "$PROJECT" ]] || die "nothing was deleted"
}

# delete_each NAMES COMMAND…: runs the command for each name (one per line), with NAME replaced by the name.
delete_each() {
    local name names
    mapfile -t names <<<"$1"
    shift
    for name in "${names[@]}"; do
        [[ -z $name ]] || change "${@//NAME/$name}"
    done
}

# ours LINES NAME…: prints the lines that are one of the names.
ours() { grep -xF -f <(printf '%s\n' "${@:2}") <<<"$1" || true; }

delete_monitoring() {
    local present file metrics=()
    present=$(ask monitoring alpha monitoring policies list --filter='userLabels.app=mediarun' --format='value(name)')
    delete_each "$present" alpha monitoring policies delete NAME
    present=$(ask monitoring monitoring uptime list-configs --filter='userLabels.app=mediarun' --format='value(name)')
    delete_each "$present" monitoring uptime delete NAME
    present=$(ask monitoring monitoring dashboards list --filter='labels.app=mediarun' --format='value(name)')
    delete_each "$present" monitoring dashboards delete NAME
    present=$(ask monitoring beta monitoring channels list --filter='userLabels.app=mediarun' --format='value(name)')
    delete_each "$present" beta monitoring channels delete NAME
    delete_budget
    for file in "$ROOT"/infra/monitoring/metrics/*.json; do
        metrics+=("$(basename "$file" .json)")
    done
    present=$(ask logging logging metrics list --format='value(name.basename())')
    delete_each "$(ours "$present" "${metrics[@]}")" logging metrics delete NAME
}

# Without the right to see it, the budget stays: it costs nothing.
delete_budget() {
    local account present
    has_line "$ENABLED_APIS" billingbudgets.googleapis.com || return 0
    account=$(gcloud billing projects describe "$PROJECT" --quiet --format='value(billingAccountName.basename())' 2>/dev/null) || return 0
    present=$(gcloud billing budgets list --billing-account="$account" --quiet --format='value(name.basename(),displayName)' 2>/dev/null |
        awk -F '\t' -v name="mediarun $PROJECT " 'index($2, name) == 1 { print $1 }') || return 0
    delete_each "$present" billing budgets delete NAME --billing-account="$account"
}

delete_messaging() {
    local present
    present=$(ask cloudscheduler scheduler jobs list --location="$REGION" --format='value(name.basename())')
    delete_each "$(ours "$present" "$MR_SWEEP_JOB" "$TRIGGER_WEEKLY")" scheduler jobs delete NAME --location="$REGION"
    present=$(ask pubsub pubsub subscriptions list --format='value(name.basename())')
    delete_each "$(ours "$present" "${MR_QUEUES[@]/%/-worker}" "$MR_SUBSCRIPTION_DEAD")" pubsub subscriptions delete NAME
    present=$(ask pubsub pubsub topics list --format='value(name.basename())')
    delete_each "$(ours "$present" "${MR_QUEUES[@]}" "$MR_TOPIC_DEAD")" pubsub topics delete NAME
    present=$(ask pubsub pubsub topics list --filter='labels.app=mediarun' --format='value(name.basename())')
    delete_each "$(ours "$present" cloud-builds)" pubsub topics delete NAME # Cloud Build's; others may have made and use it
}

delete_services() {
    local present
    present=$(ask cloudbuild builds triggers list --region="$REGION" --format='value(name)')
    delete_each "$(ours "$present" "$TRIGGER" "$TRIGGER_WEEKLY" "$TRIGGER_ROLLOUT")" builds triggers delete NAME --region="$REGION"
    present=$(ask run run services list --region="$REGION" --format='value(metadata.name)')
    delete_each "$(ours "$present" "$WEB_SERVICE" "$WORKER_SERVICE")" run services delete NAME --region="$REGION"
}

delete_data() {
    local present
    present=$(ask sqladmin sql instances list --filter="name=$SQL_INSTANCE" --format='value(name)')
    if [[ -n $present ]]; then
        change sql instances patch "$SQL_INSTANCE" --no-deletion-protection
        change sql instances delete "$SQL_INSTANCE"
    fi
    present=$(ask secretmanager secrets list --format='value(name.basename())')
    delete_each "$(ours "$present" "$SECRET_DATABASE" "$SECRET_DATABASE_WEB" "$SECRET_DATABASE_WORKER" "$SECRET_JWT" "$SECRET_SMTP")" secrets delete NAME
    present=$(ask artifactregistry artifacts repositories list --location="$REGION" --format='value(name.basename())')
    delete_each "$(ours "$present" "$REPOSITORY")" artifacts repositories delete NAME --location="$REGION"
    present=$(ask storage storage buckets list --format='value(name)')
    delete_each "$(ours "$present" "$BUCKET" "$BUILD_BUCKET")" storage rm --recursive gs://NAME
}

# Grants on the project must be removed: they outlive the account.
delete_accounts() {
    local entry present resource role member emails=()
    declare_kinds
    declare_grants
    present=$(read_policy "project $PROJECT")
    for entry in "${GRANTS[@]}"; do
        IFS='|' read -r resource role member _ <<<"$entry"
        [[ $resource != "project $PROJECT" ]] || ! has_line "$present" "$role"$'\t'"$member" ||
            change projects remove-iam-policy-binding "$PROJECT" --member="$member" --role="$role" --condition=None
    done
    for entry in "${ACCOUNTS[@]}"; do
        emails+=("$(account "${entry%%|*}")")
    done
    present=$(ask iam iam service-accounts list --format='value(email)')
    delete_each "$(ours "$present" "${emails[@]}")" iam service-accounts delete NAME
}

# Deletes callers before what they call.
destroy() {
    ((DRY_RUN)) || confirm
    delete_monitoring
    delete_messaging
    remove_armor
    delete_services
    delete_data
    delete_accounts
    # Last, because a run that goes on after this one needs the region and the bucket.
    delete_each "$(ours "$(ask secretmanager secrets list --format='value(name.basename())')" "$SECRET_SETTINGS")" secrets delete NAME
    say "$CHANGES deletions$( ((!DRY_RUN)) || echo ' would be made')"
}
