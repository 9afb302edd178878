# shellcheck shell=bash
# The two services of Cloud Run, from infra/services/*.yaml. Sourced by infra/deploy.sh.

# render_service NAME FILE IMAGE: writes the YAML to FILE, with the hash of its settings as a label. The hash leaves out the
# image, because Cloud Build changes it, and INVOKER_IAM_DISABLED, which ensure_public sets. Sets SETTINGS.
# shellcheck disable=SC2034 # render uses the variables
render_service() {
    local source=$SCRATCH/source.yaml
    cp "$ROOT/infra/services/$1.yaml" "$source"
    [[ -z $SMTP_URL ]] || sed -i 's/#mail: //' "$source"
    [[ -z $VPC_SUBNET ]] || sed -i 's/#vpc: //' "$source"
    [[ -z $KMS_KEY ]] || sed -i 's/#kms: //' "$source"
    ((!PRODUCTION)) || sed -i 's/minScale: "0"/minScale: "1"/' "$source"
    IMAGE=
    SETTINGS=
    INVOKER_IAM_DISABLED=
    SETTINGS=$(settings_of "$(render "$source")")
    IMAGE=$3
    INVOKER_IAM_DISABLED=$PUBLIC
    render "$source" >"$2"
}

# Sets SERVICES, a line for each share of traffic: name, hash of the settings, revision, URL, percent; PUBLIC, whether web
# answers without Cloud Run's own check of logins; and WEB_INGRESS, by which ways it is reached.
read_services() {
    PUBLIC=false
    SERVICES=$(ask run run services list --region="$REGION" --flatten='status.traffic[]' \
        --format='value(metadata.name,metadata.labels.settings,status.traffic.revisionName,status.url,status.traffic.percent,metadata.annotations."run.googleapis.com/invoker-iam-disabled",metadata.annotations."run.googleapis.com/ingress")')
    note service "$SERVICES"
    WEB_INGRESS=$(awk -F '\t' -v name="$WEB_SERVICE" '$1 == name { print $7; exit }' <<<"$SERVICES")
    [[ -z $(awk -F '\t' -v name="$WEB_SERVICE" '$1 == name && tolower($6) == "true"' <<<"$SERVICES") ]] || PUBLIC=true
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

# Makes web public, as the last step, because an organization may forbid it. First without Cloud Run's check of logins, which
# domain-restricted sharing allows; where that is forbidden, by a grant to everyone.
ensure_public() {
    local grant='roles/run.invoker'$'\t''allUsers' file=$SCRATCH/web.yaml policy=
    [[ $PUBLIC != true ]] || return 0
    ! has_line "$KNOWN" "service $WEB_SERVICE" || policy=$(read_policy "service $WEB_SERVICE")
    ! has_line "$policy" "$grant" || return 0
    PUBLIC=true
    render_service web "$file" "$WEB_IMAGE"
    if ((!DRY_RUN)); then
        take_lock
        attempt run services replace "$file" --region="$REGION" >/dev/null || {
            grep -qiE 'org(ani[sz]ation)?[ _-]?polic|constraint' "$SCRATCH/$BASHPID.err" || give_up "failed: gcloud run services replace (public access)" "$SCRATCH/$BASHPID.err"
            grant_everyone
            return
        }
    fi
    CHANGES=$((CHANGES + 1))
    say "+ gcloud run services replace $file ($WEB_SERVICE becomes public)"
}

grant_everyone() {
    CHANGES=$((CHANGES + 1))
    say "+ gcloud run services add-iam-policy-binding $WEB_SERVICE --member=allUsers --role=roles/run.invoker"
    attempt run services add-iam-policy-binding "$WEB_SERVICE" --region="$REGION" --member=allUsers --role=roles/run.invoker >/dev/null ||
        give_up "everything is deployed, but $WEB_SERVICE is not public: constraints/run.managed.requireInvokerIam and constraints/iam.allowedPolicyMemberDomains forbid both ways, and one must be allowed for $PROJECT" "$SCRATCH/$BASHPID.err"
}

# How long Google takes at most until everyone may call a service (2 to 7 minutes), and how long the service may need itself.
PUBLIC_SECONDS=${PUBLIC_SECONDS:-480}
ANSWER_SECONDS=${ANSWER_SECONDS:-120}

# demand PATH: waits until it answers with 200; false if it does not.
demand() {
    local status waited started=$SECONDS told=$SECONDS url=$WEB_URL
    [[ $INGRESS == all ]] || url=${PUBLIC_URL%/}
    while status=$(curl -s -o /dev/null -m 20 -w '%{http_code}' "$url$1" || true) && [[ $status != 200 ]]; do
        waited=$((SECONDS - started))
        # Cloud Run itself answers 403 (401 for some clients) until it knows of the public access everywhere.
        [[ $status == 40[13] ]] && ((waited < PUBLIC_SECONDS)) || ((waited < ANSWER_SECONDS)) || return 1
        if ((SECONDS - told >= 15)); then
            say "  $1 answers with $status after $waited s; public access takes up to 7 minutes"
            told=$SECONDS
        fi
        sleep 1
    done
}

# Checks the whole loop: web, database, queue, worker and back.
smoke_test() {
    ((!DRY_RUN)) || return 0
    local log="gcloud logging read 'resource.type=cloud_run_revision severity>=ERROR' --project=$PROJECT --freshness=10m"
    demand /api-health || die "$WEB_URL/api-health does not answer with 200; see: $log"
    demand '/converter-health?wait=1' || die "$WEB_URL/converter-health?wait=1 does not answer with 200, so no message came back from a worker; see: $log"
}
