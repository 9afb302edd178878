# shellcheck shell=bash
# Checks before anything is created; each failure is one line that says what to do. Sourced by infra/deploy.sh.
#
# Sets NUMBER (the project number) and ENABLED_APIS (lines NAME.googleapis.com).

# The permissions that the script needs, with the roles that include them.
PERMISSIONS=(
    resourcemanager.projects.setIamPolicy   # Project IAM Admin
    serviceusage.services.enable            # Service Usage Admin
    iam.serviceAccounts.create              # Service Account Admin
    iam.serviceAccounts.setIamPolicy
    iam.serviceAccounts.actAs               # Service Account User
    storage.buckets.create                  # Storage Admin
    pubsub.topics.create                    # Pub/Sub Admin
    pubsub.subscriptions.create
    cloudsql.instances.create               # Cloud SQL Admin
    secretmanager.secrets.create            # Secret Manager Admin
    artifactregistry.repositories.create    # Artifact Registry Admin
    cloudbuild.builds.create                # Cloud Build Editor
    run.services.create                     # Cloud Run Admin
    run.services.setIamPolicy
    cloudscheduler.jobs.create              # Cloud Scheduler Admin
    monitoring.alertPolicies.create         # Monitoring Editor
    logging.logMetrics.create               # Logs Configuration Writer
)

check_tools() {
    command -v gcloud >/dev/null || die "gcloud is not installed: https://cloud.google.com/sdk/docs/install (Cloud Shell has it)"
    command -v curl >/dev/null || die "curl is not installed"
    gcloud auth print-access-token --quiet >/dev/null 2>"$SCRATCH/err" || give_up "gcloud is not logged in (gcloud auth login)" "$SCRATCH/err"
}

# Asks for the number of the project. A person's login needs no API for that; a service account of a new project does, so it
# is enabled first. In a dry run, which changes nothing, the number is then unknown.
check_project() {
    local found what="project $PROJECT does not exist or you cannot access it (gcloud projects list)"
    local describe=(projects describe "$PROJECT" --format='value(projectNumber,lifecycleState)')
    if ! found=$(SETTLE_ATTEMPTS=0 google "$what" "${describe[@]}" 2>"$SCRATCH/said"); then
        grep -qE "$SETTLING" "$SCRATCH/said" || {
            cat "$SCRATCH/said" >&2
            exit 1
        }
        if ((DRY_RUN)) && ! is_enabled cloudresourcemanager; then
            NUMBER=PROJECT_NUMBER
            return
        fi
        is_enabled cloudresourcemanager || enable cloudresourcemanager.googleapis.com
        found=$(google "$what" "${describe[@]}")
    fi
    NUMBER=${found%%[[:space:]]*}
    [[ $NUMBER =~ ^[0-9]+$ ]] || die "project $PROJECT has no number: $found"
    [[ $found == *ACTIVE* ]] || die "project $PROJECT is not active: ${found#*[[:space:]]}"
}

check_permissions() {
    local list granted permission missing=()
    [[ $NUMBER != PROJECT_NUMBER ]] || {
        say "note: no API is enabled in $PROJECT, so a dry run cannot check the permissions"
        return 0
    }
    list=$(printf '"%s",' "${PERMISSIONS[@]}")
    granted=$(rest POST "$(api_url cloudresourcemanager "v1/projects/$PROJECT:testIamPermissions")" "{\"permissions\":[${list%,}]}")
    for permission in "${PERMISSIONS[@]}"; do
        [[ $granted == *"\"$permission\""* ]] || missing+=("$permission")
    done
    ((${#missing[@]} == 0)) || die "missing permissions on $PROJECT: ${missing[*]} — ask an owner for the role Owner, or for the roles in infra/deploy/preflight.sh"
}

# If you may not read this, missing billing shows when the first API is enabled.
check_billing() {
    local enabled
    enabled=$(gcloud billing projects describe "$PROJECT" --quiet --format='value(billingEnabled)' 2>/dev/null </dev/null) || return 0
    [[ ${enabled,,} != false ]] ||
        die "billing is disabled for $PROJECT: gcloud billing projects link $PROJECT --billing-account=… (gcloud billing accounts list)"
}

# The list of APIs needs none but Service Usage, which every project has.
read_apis() {
    ENABLED_APIS=$(google "project $PROJECT does not exist or you cannot see its APIs (gcloud projects list)" \
        services list --enabled --format='value(config.name)')
}

is_enabled() { has_line "$ENABLED_APIS" "$1.googleapis.com"; }

# enable NAME.googleapis.com…: they work everywhere some minutes later; until then calls are repeated.
enable() {
    change services enable "$@"
    ((DRY_RUN)) || ENABLED_APIS+=$(printf '\n%s' "$@")
}

check_region() {
    local regions
    regions=$(ask run run regions list --format='value(locationId)')
    [[ -z $regions ]] || has_line "$regions" "$REGION" || die "--region '$REGION' is not a region of Cloud Run: choose one of $(tr '\n' ' ' <<<"$regions")"
}

preflight() {
    check_tools
    [[ $PROJECT =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || die "--project must be a project id (6 to 30 lower-case letters, digits and hyphens), not '$PROJECT'"
    read_apis
    check_project
    check_billing
    check_permissions
}

enable_apis() {
    local api missing=()
    for api in "${APIS[@]}"; do
        is_enabled "$api" || missing+=("$api.googleapis.com")
    done
    ((${#missing[@]} == 0)) || enable "${missing[@]}"
    check_region
}
