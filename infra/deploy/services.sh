# shellcheck shell=bash
# The two services of Cloud Run, from infra/services/*.yaml. Sourced by infra/deploy.sh.

# render_service NAME FILE IMAGE: writes the YAML to FILE, with the hash of its settings as a label. The hash leaves out the
# image, because Cloud Build changes it. Sets SETTINGS.
# shellcheck disable=SC2034 # render uses IMAGE
render_service() {
    local source=$SCRATCH/source.yaml
    cp "$ROOT/infra/services/$1.yaml" "$source"
    [[ -z $SMTP_URL ]] || sed -i 's/#mail: //' "$source"
    IMAGE=
    SETTINGS=
    SETTINGS=$(settings_of "$(render "$source")")
    IMAGE=$3
    render "$source" >"$2"
}

# Sets SERVICES, a line for each share of traffic: name, hash of the settings, revision, URL, percent.
read_services() {
    SERVICES=$(ask run run services list --region="$REGION" --flatten='status.traffic[]' \
        --format='value(metadata.name,metadata.labels.settings,status.traffic.revisionName,status.url,status.traffic.percent)')
    note service "$SERVICES"
}

# ensure_service NAME FILE-STEM IMAGE RUNNING-IMAGE
ensure_service() {
    local file=$SCRATCH/$2.yaml
    render_service "$2" "$file" "$3"
    if [[ $3 != "$4" ]] || ! in_place "$(field_of "$SERVICES" "$1")" "$SETTINGS"; then
        change run services replace "$file" --region="$REGION"
    fi
}

# service_url SERVICE: prints its URL; in a dry run the expected one.
service_url() {
    local url
    url=$(awk -F '\t' -v name="$1" '$1 == name { print $4; exit }' <<<"$SERVICES")
    if [[ -z $url ]]; then
        ((!DRY_RUN)) || { printf 'https://%s-%s.%s.run.app' "$1" "$NUMBER" "$REGION" && return; }
        url=$(ask run run services describe "$1" --region="$REGION" --format='value(status.url)')
    fi
    [[ $url == http*://* ]] || die "$1 has no URL: gcloud run services describe $1 --region=$REGION --project=$PROJECT"
    printf '%s' "$url"
}

# web comes first, because its start migrates the database.
ensure_services() {
    ensure_service "$WEB_SERVICE" web "$WEB_IMAGE" "$WEB_SERVES"
    ensure_service "$WORKER_SERVICE" worker "$WORKER_IMAGE" "$WORKER_SERVES"
    WEB_URL=$(service_url "$WEB_SERVICE")
    WORKER_URL=$(service_url "$WORKER_SERVICE")
}

answers() { [[ $(curl -s -o /dev/null -m 15 -w '%{http_code}' "$WEB_URL$1" || true) == 200 ]]; }

# Checks the whole loop: web, database, queue, worker and back.
smoke_test() {
    ((!DRY_RUN)) || return 0
    local log="gcloud logging read 'resource.type=cloud_run_revision severity>=ERROR' --project=$PROJECT --freshness=10m"
    wait_until 60 answers /api-health || die "$WEB_URL/api-health does not answer with 200; see: $log"
    wait_until 120 answers '/converter-health?wait=1' || die "$WEB_URL/converter-health?wait=1 does not answer with 200, so no message came back from a worker; see: $log"
}
