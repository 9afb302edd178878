# shellcheck shell=bash
# Images: Artifact Registry, Cloud Build, and the trigger that builds and deploys each push. Sourced by infra/deploy.sh.
# cloudbuild.yaml says what a build does.

ensure_repository() {
    local present
    present=$(ask artifactregistry artifacts repositories list --location="$REGION" --format='value(name.basename())')
    note repository "$present"
    has_line "$present" "$REPOSITORY" || change artifacts repositories create "$REPOSITORY" --location="$REGION" \
        --repository-format=docker --description="mediarun's images" --labels=app=mediarun
}

# substitutions DEPLOY: prints the substitutions of cloudbuild.yaml.
substitutions() { printf '_REGION=%s,_REPOSITORY=%s,_DEPLOY=%s' "$REGION" "$REPOSITORY" "$1"; }

# Only builds the images: this script deploys them, together with the settings of the services.
build_images() {
    say "Cloud Build builds the images; this takes some minutes"
    change builds submit "$ROOT" --config="$ROOT/cloudbuild.yaml" --region="$REGION" --substitutions="$(substitutions false)" \
        --service-account="projects/$PROJECT/serviceAccounts/$(account builder)" \
        --gcs-source-staging-dir="gs://$BUILD_BUCKET/source"
}

# serving_image SERVICE: prints the image of the revision that has the traffic; nothing without the service. After a rollback
# it is not the newest image.
serving_image() {
    local revision
    revision=$(awk -F '\t' -v name="$1" '$1 == name && $5 == 100 { print $3; exit }' <<<"$SERVICES")
    [[ -z $revision ]] ||
        ask run run revisions describe "$revision" --region="$REGION" --format='value(spec.containers[0].image)'
}

# built_image NAME: prints the newest image by digest.
built_image() {
    local digest
    ((!DRY_RUN)) || { printf '%s/%s@sha256:…' "$REGISTRY" "$1" && return; }
    digest=$(ask artifactregistry artifacts tags list --package="$1" --repository="$REPOSITORY" --location="$REGION" \
        --format='value(name.basename(),version.basename())')
    digest=$(field_of "$digest" latest)
    [[ $digest == sha256:* ]] || die "image $REGISTRY/$1:latest does not exist: see gcloud builds list --region=$REGION --project=$PROJECT"
    printf '%s/%s@%s' "$REGISTRY" "$1" "$digest"
}

# Sets WEB_SERVES and WORKER_SERVES to the images that run now, and WEB_IMAGE and WORKER_IMAGE to those that should run: the
# same ones, unless there are none or --build is set.
# shellcheck disable=SC2034 # services.sh uses them
choose_images() {
    WEB_SERVES=$(serving_image "$WEB_SERVICE")
    WORKER_SERVES=$(serving_image "$WORKER_SERVICE")
    WEB_IMAGE=$WEB_SERVES
    WORKER_IMAGE=$WORKER_SERVES
    if ((BUILD)) || [[ -z $WEB_SERVES || -z $WORKER_SERVES ]]; then
        build_images
        WEB_IMAGE=$(built_image "$WEB_SERVICE")
        WORKER_IMAGE=$(built_image "$WORKER_SERVICE")
    fi
}

# --repo is OWNER/NAME, or the full name of a repository of the second generation. A person must connect the repository first,
# in the console: Cloud Build → Repositories.
ensure_trigger() {
    [[ -n $REPO ]] || return 0
    local present source
    present=$(ask cloudbuild builds triggers list --region="$REGION" --format='value(name)')
    ! has_line "$present" "$TRIGGER" || return 0
    if [[ $REPO == projects/* ]]; then
        source=("--repository=$REPO")
    else
        source=("--repo-owner=${REPO%%/*}" "--repo-name=${REPO#*/}")
    fi
    change builds triggers create github --name="$TRIGGER" --region="$REGION" "${source[@]}" --branch-pattern="^$BRANCH\$" \
        --build-config=cloudbuild.yaml --service-account="projects/$PROJECT/serviceAccounts/$(account builder)" \
        --substitutions="$(substitutions true)"
}
