# shellcheck shell=bash
# Monitoring: log metrics, alert policies, uptime check, dashboard, budget, and where alerts go. The files and their rules are
# in infra/monitoring. Sourced by infra/deploy.sh.

# What ${…} may be in infra/monitoring besides the PLACEHOLDERS of settings.sh. The numbers stand in quotes in the files, and
# without them in what is sent.
ALERT_NAMES=(RUNBOOKS SWEEP_JOB)
ALERT_NUMBERS=(MAX_CONNECTIONS CONNECTIONS_ALERT WEB_CONCURRENCY WEB_CONCURRENCY_ALERT WORKER_CONCURRENCY WORKER_CONCURRENCY_ALERT
    QUEUE_AGE_ALERT TASKS_AT_ONCE)

check_alert_options() {
    local channel='^([^@[:space:]]+@[^@[:space:]]+|projects/[^/]+/notificationChannels/[^/]+)$'
    [[ -z $EMAIL || $EMAIL =~ $channel ]] || die "--email must be an e-mail address or projects/P/notificationChannels/ID, not '$EMAIL'"
    [[ -z $PAGE || $PAGE =~ $channel ]] || die "--page must be an e-mail address or projects/P/notificationChannels/ID, not '$PAGE'"
    [[ -z $BUDGET || $BUDGET =~ ^[0-9]{1,9}(\.[0-9]{1,2})?([A-Z]{3})?$ ]] ||
        die "--budget must be an amount such as 100 or 100EUR, in the currency of the billing account, not '$BUDGET'"
}

# Sets what ALERT_NAMES and ALERT_NUMBERS name, from the settings of this deployment. Call it after check_budget.
# shellcheck disable=SC2034,SC2154 # render_monitoring uses them by name; the keys of an array
derive_alerts() {
    RUNBOOKS=docs/operations.md
    [[ ! $REPO =~ ^[^/]+/[^/]+$ ]] || RUNBOOKS=https://github.com/$REPO/blob/$BRANCH/docs/operations.md
    SWEEP_JOB=$MR_SWEEP_JOB
    CONNECTIONS_ALERT=$((MAX_CONNECTIONS * 80 / 100))
    WEB_CONCURRENCY=${WEB[containerConcurrency]}
    WEB_CONCURRENCY_ALERT=$((WEB_CONCURRENCY * 75 / 100))
    WORKER_CONCURRENCY=${WORKER[containerConcurrency]}
    WORKER_CONCURRENCY_ALERT=$((WORKER_CONCURRENCY * 75 / 100))
    # The message of the longest conversion is that old without any fault.
    QUEUE_AGE_ALERT=$((WORKER[JOB_TIMEOUT_SECONDS] + MR_ACK_DEADLINE_S + 300))
    TASKS_AT_ONCE=$((WORKER[maxScale] * (WORKER[SLOTS] + WORKER[HIGH_SLOTS])))
}

# render_monitoring FILE: prints the file with all of its ${NAME} replaced.
render_monitoring() {
    local text name
    text=$(render "$1")
    for name in "${ALERT_NUMBERS[@]}"; do
        text=${text//"\"\${$name}\""/${!name}}
    done
    for name in "${ALERT_NAMES[@]}" "${ALERT_NUMBERS[@]}"; do
        text=${text//"\${$name}"/${!name}}
    done
    printf '%s\n' "$text"
}

# marked FILE HASH: renders the file with the hash in its labels, or in the description of a log metric, which has no labels.
marked() {
    local text
    text=$(render_monitoring "$1")
    case $1 in
        */metrics/*) text=${text/'"description": "'/"\"description\": \"[$2] "} ;;
        *) text=${text/'"app": "mediarun"'/"\"app\": \"mediarun\", \"settings\": \"$2\""} ;;
    esac
    [[ $text == *"$2"* ]] || die "${1#"$ROOT"/} has no place for the hash of its settings"
    printf '%s\n' "$text" >"$SCRATCH/monitoring.json"
}

# Runs early: an alert policy is refused until its metric is visible everywhere, which takes up to ten minutes.
ensure_metrics() {
    local file name mark present verb
    present=$(ask logging logging metrics list --format='value(name.basename(),description)')
    for file in "$ROOT"/infra/monitoring/metrics/*.json; do
        name=$(basename "$file" .json)
        mark=$(settings_of "$(render_monitoring "$file")")
        verb=create
        if grep -q "^$name"$'\t' <<<"$present"; then
            ! in_place "$(field_of "$present" "$name" | cut -c 2-17)" "$mark" || continue
            verb=update
        fi
        marked "$file" "$mark"
        change logging metrics "$verb" "$name" --config-from-file="$SCRATCH/monitoring.json"
    done
}

# ensure_channel ROLE ADDRESS: sets CHANNEL to the resource name of the channel for the address: an e-mail address, or the name
# of a channel that exists (a pager or a chat, made in the console). Without an address to the one of an earlier run, if any.
ensure_channel() {
    local present label=$1
    CHANNEL=$2
    [[ $2 != projects/* ]] || return 0
    present=$(ask monitoring beta monitoring channels list --filter='userLabels.app=mediarun' \
        --format='value(userLabels.role,labels.email_address,name)')
    CHANNEL=$(awk -F '\t' -v role="$label" -v address="$2" \
        '($1 == role || (role == "email" && $1 == "")) && (address == "" || $2 == address) { print $3; exit }' <<<"$present")
    [[ -z $CHANNEL && -n $2 ]] || return 0
    change beta monitoring channels create --display-name="mediarun: $2" --type=email --channel-labels="email_address=$2" \
        --user-labels="app=mediarun,role=$label"
    CHANNEL=projects/$PROJECT/notificationChannels/…
    ((DRY_RUN)) || CHANNEL=$(ask monitoring beta monitoring channels list \
        --filter="userLabels.app=mediarun userLabels.role=$label labels.email_address=$2" --format='value(name)' | head -n 1)
}

# Sets EMAIL_CHANNEL and PAGE_CHANNEL; empty without one.
ensure_channels() {
    ensure_channel page "$PAGE"
    PAGE_CHANNEL=$CHANNEL
    ensure_channel email "$EMAIL"
    EMAIL_CHANNEL=$CHANNEL
    [[ -n $EMAIL_CHANNEL ]] || say "note: alerts are sent to nobody but --page; run this again with --email ADDRESS"
}

# channels_of FILE: prints the channels of a policy, joined by commas: a CRITICAL one pages, and all are mailed.
channels_of() {
    local found=$EMAIL_CHANNEL
    if [[ -n $PAGE_CHANNEL && $PAGE_CHANNEL != "$EMAIL_CHANNEL" ]] && grep -q '^  "severity": "CRITICAL",$' "$1"; then
        found=$PAGE_CHANNEL${found:+,$found}
    fi
    printf '%s' "$found"
}

ensure_policies() {
    local file name mark present resource channels option
    present=$(ask monitoring alpha monitoring policies list --filter='userLabels.app=mediarun' \
        --format='value(userLabels.policy,userLabels.settings,name)')
    for file in "$ROOT"/infra/monitoring/policies/*.json; do
        name=$(basename "$file" .json)
        channels=$(channels_of "$file")
        mark=$(settings_of "$(render_monitoring "$file")" "$channels")
        ! in_place "$(field_of "$present" "$name")" "$mark" || continue
        marked "$file" "$mark"
        option=(${channels:+"--notification-channels=$channels"})
        resource=$(awk -F '\t' -v key="$name" '$1 == key { print $3; exit }' <<<"$present")
        if [[ -z $resource ]]; then
            change alpha monitoring policies create --policy-from-file="$SCRATCH/monitoring.json" "${option[@]}"
        else
            change alpha monitoring policies update "$resource" --policy-from-file="$SCRATCH/monitoring.json" \
                "${option[@]/--notification/--set-notification}"
        fi
    done
}

# Calls the API directly, because gcloud has no flag for logCheckFailures. The host of a check cannot be changed, so another host
# is another check, and the old one is deleted after that.
ensure_uptime() {
    local file=$ROOT/infra/monitoring/uptime.json mark present current
    mark=$(settings_of "$(render_monitoring "$file")")
    present=$(ask monitoring monitoring uptime list-configs --filter='userLabels.app=mediarun' \
        --format='value(monitoredResource.labels.host,userLabels.settings,name)')
    current=$(awk -F '\t' -v host="$WEB_HOST" '$1 == host { print $2 "\t" $3; exit }' <<<"$present")
    if ! in_place "${current%%$'\t'*}" "$mark"; then
        marked "$file" "$mark"
        if [[ -n $current ]]; then
            change_by_rest PATCH "$(api_url monitoring "v3/${current#*$'\t'}")" "$SCRATCH/monitoring.json" infra/monitoring/uptime.json
        else
            change_by_rest POST "$(api_url monitoring "v3/projects/$PROJECT/uptimeCheckConfigs")" "$SCRATCH/monitoring.json" infra/monitoring/uptime.json
        fi
    fi
    delete_each "$(awk -F '\t' -v host="$WEB_HOST" '$1 != host { print $3 }' <<<"$present")" monitoring uptime delete NAME
}

ensure_dashboard() {
    local file=$ROOT/infra/monitoring/dashboard.json mark present name etag
    mark=$(settings_of "$(render_monitoring "$file")")
    present=$(ask monitoring monitoring dashboards list --filter='labels.app=mediarun' --format='value(labels.settings,name,etag)')
    ! in_place "${present%%$'\t'*}" "$mark" || return 0
    marked "$file" "$mark"
    if [[ -z $present ]]; then
        change monitoring dashboards create --config-from-file="$SCRATCH/monitoring.json"
        return
    fi
    IFS=$'\t' read -r _ name etag <<<"$present"
    sed -i "1,/{/s/{/{\"etag\": \"$etag\",/" "$SCRATCH/monitoring.json"
    change monitoring dashboards update "$name" --config-from-file="$SCRATCH/monitoring.json"
}

# The billing account warns at half, at nine tenths and at all of --budget in a month, and when all of it is forecast. The amount
# and the channel are part of the display name's hash: a budget has no labels.
ensure_spending() {
    [[ -n $BUDGET ]] || return 0
    local api account name mark present title resource channels=() rules=()
    for api in cloudbilling billingbudgets; do
        is_enabled "$api" || enable "$api.googleapis.com"
    done
    account=$(ask cloudbilling billing projects describe "$PROJECT" --format='value(billingAccountName.basename())')
    [[ -n $account ]] || ((DRY_RUN)) || die "--budget: $PROJECT has no billing account: gcloud billing projects link $PROJECT --billing-account=…"
    account=${account:-ACCOUNT} # with --dry-run, until the API is enabled
    name="mediarun $PROJECT"
    mark=$(settings_of "$BUDGET" "$EMAIL_CHANNEL")
    present=$(ask billingbudgets billing budgets list --billing-account="$account" --format='value(displayName,name.basename())')
    present=$(grep "^$name " <<<"$present" || true)
    title=${present%%$'\t'*}
    resource=${present##*$'\t'}
    ! in_place "$title" "$name $mark" || return 0
    [[ -z $EMAIL_CHANNEL ]] || channels=("--notifications-rule-monitoring-notification-channels=$EMAIL_CHANNEL")
    if [[ -n $resource ]]; then
        change billing budgets update "$resource" --billing-account="$account" --display-name="$name $mark" --budget-amount="$BUDGET" \
            "${channels[@]}"
        return
    fi
    rules=(--threshold-rule=percent=0.5 --threshold-rule=percent=0.9 --threshold-rule=percent=1.0
        '--threshold-rule=percent=1.0,basis=forecasted-spend')
    change billing budgets create --billing-account="$account" --display-name="$name $mark" --budget-amount="$BUDGET" \
        --filter-projects="projects/$PROJECT" "${rules[@]}" "${channels[@]}"
}

ensure_monitoring() {
    ensure_channels
    ensure_policies
    ensure_uptime
    ensure_dashboard
    ensure_spending
}
