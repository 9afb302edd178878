# shellcheck shell=bash
# Monitoring: log metrics, alert policies, uptime check, dashboard, and the address for alerts. The files and their rules are
# in infra/monitoring. Sourced by infra/deploy.sh.

# marked FILE HASH: renders the file with the hash in its labels, or in the description of a log metric, which has no labels.
marked() {
    local text
    text=$(render "$1")
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
        mark=$(settings_of "$(render "$file")")
        verb=create
        if grep -q "^$name"$'\t' <<<"$present"; then
            ! in_place "$(field_of "$present" "$name" | cut -c 2-17)" "$mark" || continue
            verb=update
        fi
        marked "$file" "$mark"
        change logging metrics "$verb" "$name" --config-from-file="$SCRATCH/monitoring.json"
    done
}

# Sets CHANNEL to the resource name of the channel for --email; empty without one.
ensure_channel() {
    local present
    CHANNEL=
    present=$(ask monitoring beta monitoring channels list --filter='userLabels.app=mediarun' --format='value(labels.email_address,name)')
    if [[ -z $EMAIL ]]; then
        CHANNEL=$(head -n 1 <<<"$present" | cut -f 2)
        [[ -n $CHANNEL ]] || say "note: alerts are sent to nobody; run this again with --email ADDRESS"
        return 0
    fi
    CHANNEL=$(field_of "$present" "$EMAIL")
    [[ -z $CHANNEL ]] || return 0
    change beta monitoring channels create --display-name="mediarun: $EMAIL" --type=email --channel-labels="email_address=$EMAIL" \
        --user-labels=app=mediarun
    CHANNEL=projects/$PROJECT/notificationChannels/…
    ((DRY_RUN)) || CHANNEL=$(ask monitoring beta monitoring channels list --filter="userLabels.app=mediarun labels.email_address=$EMAIL" \
        --format='value(name)' | head -n 1)
}

ensure_policies() {
    local file name mark present resource channels=()
    [[ -z $CHANNEL ]] || channels=("--notification-channels=$CHANNEL")
    present=$(ask monitoring alpha monitoring policies list --filter='userLabels.app=mediarun' \
        --format='value(userLabels.policy,userLabels.settings,name)')
    for file in "$ROOT"/infra/monitoring/policies/*.json; do
        name=$(basename "$file" .json)
        mark=$(settings_of "$(render "$file")" "$CHANNEL")
        ! in_place "$(field_of "$present" "$name")" "$mark" || continue
        marked "$file" "$mark"
        resource=$(awk -F '\t' -v key="$name" '$1 == key { print $3; exit }' <<<"$present")
        if [[ -z $resource ]]; then
            change alpha monitoring policies create --policy-from-file="$SCRATCH/monitoring.json" "${channels[@]}"
        else
            change alpha monitoring policies update "$resource" --policy-from-file="$SCRATCH/monitoring.json" \
                "${channels[@]/--notification/--set-notification}"
        fi
    done
}

# Calls the API directly, because gcloud has no flag for logCheckFailures.
ensure_uptime() {
    local file=$ROOT/infra/monitoring/uptime.json mark present url method=POST
    mark=$(settings_of "$(render "$file")")
    present=$(ask monitoring monitoring uptime list-configs --filter='userLabels.app=mediarun' --format='value(userLabels.settings,name)')
    ! in_place "${present%%$'\t'*}" "$mark" || return 0
    marked "$file" "$mark"
    url=v3/projects/$PROJECT/uptimeCheckConfigs
    if [[ -n $present ]]; then
        method=PATCH
        url=v3/${present#*$'\t'}
    fi
    CHANGES=$((CHANGES + 1))
    say "+ $method $(api_url monitoring "$url") (infra/monitoring/uptime.json)"
    ((DRY_RUN)) || rest "$method" "$(api_url monitoring "$url")" "@$SCRATCH/monitoring.json" >/dev/null
}

ensure_dashboard() {
    local file=$ROOT/infra/monitoring/dashboard.json mark present name etag
    mark=$(settings_of "$(render "$file")")
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

ensure_monitoring() {
    ensure_channel
    ensure_policies
    ensure_uptime
    ensure_dashboard
}
