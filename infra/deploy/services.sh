# shellcheck shell=bash
# The two services of Cloud Run, from infra/services/*.yaml. Sourced by infra/deploy.sh.

# render_service NAME FILE IMAGE: the YAML into FILE, with the mark of its settings as a label.
render_service() {
    local source=$root/infra/services/$1.yaml text
    IMAGE=$3
    SETTINGS='${SETTINGS}'
    text=$(render "$source")
    [[ -z $SMTP_URL ]] || text=${text//'#mail: '/}
    SETTINGS=$(settings_of "$text")
    printf '%s\n' "${text//'${SETTINGS}'/"$SETTINGS"}" >"$2"
}

# ensure_service NAME FILE-STEM IMAGE
ensure_service() {
    local present file=$scratch/$2.yaml
    render_service "$2" "$file" "$3"
    present=$(ask run run services list --region="$REGION" --filter="metadata.name=$1" --format='value(metadata.labels.settings)')
    in_place "$present" "$SETTINGS" || change run services replace "$file" --region="$REGION"
}

# service_url SERVICE
service_url() {
    ((!DRY_RUN)) || has_line "$PRESENT" "service $1" || { printf 'https://%s-%s.%s.run.app' "$1" "$NUMBER" "$REGION" && return; }
    ask run run services describe "$1" --region="$REGION" --format='value(status.url)'
}

# web first: it brings the database's tables up to date.
ensure_services() {
    ensure_service "$WEB_SERVICE" web "$WEB_IMAGE"
    ensure_service "$WORKER_SERVICE" worker "$WORKER_IMAGE"
    WEB_URL=$(service_url "$WEB_SERVICE")
    WORKER_URL=$(service_url "$WORKER_SERVICE")
    [[ $WEB_URL == http*://* && $WORKER_URL == http*://* ]] || die "a service has no URL: gcloud run services list --project=$PROJECT"
}

answers() { [[ $(curl -s -o /dev/null -m 15 -w '%{http_code}' "$WEB_URL$1" || true) == 200 ]]; }

# The whole loop: web, database, queue, worker and back.
smoke_test() {
    ((!DRY_RUN)) || return 0
    local log="gcloud logging read 'resource.type=cloud_run_revision severity>=ERROR' --project=$PROJECT --freshness=10m"
    wait_until 60 answers /api-health || die "$WEB_URL/api-health does not answer 200; see: $log"
    wait_until 120 answers '/converter-health?wait=1' || die "no worker answers through the queue ($WEB_URL/converter-health?wait=1); see: $log"
}
