# shellcheck shell=bash
# Images: Artifact Registry, Cloud Build, and the trigger that builds and deploys each push. Sourced by infra/deploy.sh.
# cloudbuild.yaml says what a build does.

# Images older than a month go, but for the ten newest of each kind: a rollback finds those. The hash of the rules is a label.
ensure_repository() {
    local present rules=$ROOT/infra/storage/cleanup-images.json mark
    present=$(ask artifactregistry artifacts repositories list --location="$REGION" --format='value(name.basename(),labels.settings)')
    note repository "$(cut -f 1 <<<"$present")"
    mark=$(settings_of "$(<"$rules")" scanned)
    if ! grep -q "^$REPOSITORY"$'\t' <<<"$present"; then
        change artifacts repositories create "$REPOSITORY" --location="$REGION" --repository-format=docker \
            --description="mediarun's images" --labels="app=mediarun" --allow-vulnerability-scanning ${KMS_KEY:+"--kms-key=$KMS_KEY"}
    fi
    ! in_place "$(field_of "$present" "$REPOSITORY")" "$mark" || return 0
    change artifacts repositories set-cleanup-policies "$REPOSITORY" --location="$REGION" --policy="$rules" --no-dry-run
    change artifacts repositories update "$REPOSITORY" --location="$REGION" --allow-vulnerability-scanning \
        --update-labels="app=mediarun,settings=$mark"
}

# substitutions NAME=VALUE…: prints the substitutions of a build, those that all have first. BASE, SNAPSHOT, DOCKER_BUILDER and
# GCLOUD_BUILDER of the environment choose the Debian image, the packages, and the images that the steps run in.
substitutions() {
    local IFS=,
    printf '%s' "_REGION=$REGION,_REPOSITORY=$REPOSITORY${DOCKER_BUILDER:+,_DOCKER=$DOCKER_BUILDER}${*:+,$*}"
}
build_substitutions() { substitutions ${BASE:+"_BASE=$BASE"} ${SNAPSHOT:+"_SNAPSHOT=$SNAPSHOT"} "$@"; }
rollout_substitutions() { substitutions ${GCLOUD_BUILDER:+"_GCLOUD=$GCLOUD_BUILDER"} "_SBOMS=gs://$BUILD_BUCKET/sbom" "$@"; }

# submit CONFIG ARGUMENT…: runs a build as the builder.
submit() {
    change builds submit "${@:2}" --config="$ROOT/$1" --region="$REGION" \
        --service-account="projects/$PROJECT/serviceAccounts/$(account builder)"
}

# Only builds the images: this script deploys them, together with the settings of the services.
build_images() {
    say "Cloud Build builds the images; this takes some minutes"
    submit cloudbuild.yaml "$ROOT" --substitutions="$(build_substitutions)" --gcs-source-staging-dir="gs://$BUILD_BUCKET/source"
    submit cloudbuild-rollout.yaml --no-source --substitutions="$(rollout_substitutions _TAG=built _DEPLOY=false)"
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
    digest=$(field_of "$digest" built)
    [[ $digest == sha256:* ]] || die "image $REGISTRY/$1:built does not exist: see gcloud builds list --region=$REGION --project=$PROJECT"
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

# ensure_one_trigger NAME KIND ARGUMENT…: of the repository, on its branch. PRESENT: all triggers, with their branches.
ensure_one_trigger() {
    local source present
    present=$(grep "^$1|" <<<"$PRESENT" || true)
    if [[ -n $present ]]; then
        [[ $present != *"|^$BRANCH\$"* && $present != *"|refs/heads/$BRANCH"* ]] || return 0
        change builds triggers delete "$1" --region="$REGION" # for another branch
    fi
    if [[ $2 == github && $REPO == projects/* ]]; then
        source=("--repository=$REPO" "--branch-pattern=^$BRANCH\$")
    elif [[ $2 == github ]]; then
        source=("--repo-owner=${REPO%%/*}" "--repo-name=${REPO#*/}" "--branch-pattern=^$BRANCH\$")
    elif [[ $REPO == projects/* ]]; then
        source=("--repository=$REPO" "--branch=$BRANCH")
    else
        source=("--repo=https://www.github.com/$REPO" --repo-type=GITHUB "--branch=$BRANCH")
    fi
    change builds triggers create "$2" --name="$1" --region="$REGION" "${source[@]}" \
        --service-account="projects/$PROJECT/serviceAccounts/$(account builder)" "${@:3}"
}

# Each push is tested and built, and so is the branch each week without any cache, because Debian's packages and FFmpeg change while
# the repository does not. A build that succeeded is rolled out by another: Cloud Build pushes images after the last step of a build,
# and tells the topic cloud-builds how it ended.
# --repo is OWNER/NAME, or the full name of a repository of the second generation. A person must connect the repository first,
# in the console: Cloud Build → Repositories.
ensure_trigger() {
    [[ -n $REPO ]] || return 0
    local topics PRESENT
    topics=$(ask pubsub pubsub topics list --format='value(name.basename())')
    has_line "$topics" cloud-builds || change pubsub topics create cloud-builds --labels=app=mediarun
    PRESENT=$(ask cloudbuild builds triggers list --region="$REGION" \
        --format='value[separator="|"](name,github.push.branch,repositoryEventConfig.push.branch,sourceToBuild.ref)')
    ensure_one_trigger "$TRIGGER" github --build-config=cloudbuild.yaml --substitutions="$(build_substitutions)"
    ensure_one_trigger "$TRIGGER_WEEKLY" manual --build-config=cloudbuild.yaml --substitutions="$(build_substitutions _CACHE=false)"
    # shellcheck disable=SC2016 # Cloud Build reads them out of the message
    ensure_one_trigger "$TRIGGER_ROLLOUT" pubsub --build-config=cloudbuild-rollout.yaml --topic="projects/$PROJECT/topics/cloud-builds" \
        --subscription-filter="_STATUS == \"SUCCESS\" && (_NAME == \"$TRIGGER\" || _NAME == \"$TRIGGER_WEEKLY\")" \
        --substitutions="$(rollout_substitutions '_TAG=$(body.message.attributes.buildId)' '_STATUS=$(body.message.attributes.status)' \
            '_NAME=$(body.message.data.substitutions.TRIGGER_NAME)')"
    ensure_weekly_build
}

# Cloud Scheduler runs the trigger, each Monday before work.
ensure_weekly_build() {
    local present
    present=$(ask cloudscheduler scheduler jobs list --location="$REGION" --format='value(name.basename())')
    has_line "$present" "$TRIGGER_WEEKLY" || change scheduler jobs create http "$TRIGGER_WEEKLY" --location="$REGION" \
        --schedule='0 4 * * 1' --time-zone=Etc/UTC --http-method=POST --message-body='{}' --headers=Content-Type=application/json \
        --uri="https://cloudbuild.googleapis.com/v1/projects/$PROJECT/locations/$REGION/triggers/$TRIGGER_WEEKLY:run" \
        --oauth-service-account-email="$(account builder)" --description="builds the images again, without a cache"
}
