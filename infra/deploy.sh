#!/usr/bin/env bash
# mediarun in a project of Google Cloud: makes what is missing, changes what differs, leaves the rest alone. Run it as
# often as you like; after a failure it goes on where it stopped. Usage: infra/deploy.sh --help
set -euo pipefail
umask 077

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$ROOT/infra/local/lib/common.sh"
# shellcheck source=infra/names.sh
. "$ROOT/infra/names.sh"
# shellcheck source=infra/deploy/settings.sh
. "$ROOT/infra/deploy/settings.sh"
# shellcheck source=infra/deploy/gcloud.sh
. "$ROOT/infra/deploy/gcloud.sh"
# shellcheck source=infra/deploy/budget.sh
. "$ROOT/infra/deploy/budget.sh"
# shellcheck source=infra/deploy/preflight.sh
. "$ROOT/infra/deploy/preflight.sh"
# shellcheck source=infra/deploy/identity.sh
. "$ROOT/infra/deploy/identity.sh"
# shellcheck source=infra/deploy/storage.sh
. "$ROOT/infra/deploy/storage.sh"
# shellcheck source=infra/deploy/pubsub.sh
. "$ROOT/infra/deploy/pubsub.sh"
# shellcheck source=infra/deploy/database.sh
. "$ROOT/infra/deploy/database.sh"
# shellcheck source=infra/deploy/images.sh
. "$ROOT/infra/deploy/images.sh"
# shellcheck source=infra/deploy/services.sh
. "$ROOT/infra/deploy/services.sh"
# shellcheck source=infra/deploy/monitoring.sh
. "$ROOT/infra/deploy/monitoring.sh"
# shellcheck source=infra/deploy/destroy.sh
. "$ROOT/infra/deploy/destroy.sh"

usage() {
    cat <<'USAGE'
infra/deploy.sh --project PROJECT [--region REGION]   makes and updates everything, prints the service's URL
infra/deploy.sh --project PROJECT --dry-run           prints what it would do, changes nothing
infra/deploy.sh --project PROJECT --destroy           asks for the project's name, then deletes everything, data too

  --region REGION          where everything is (us-central1)
  --build                  builds new images, though some are running
  --email ADDRESS          who is told of alerts
  --repo OWNER/NAME        a push to the branch builds, tests and deploys (the repository must be connected to Cloud Build)
  --branch BRANCH          that branch (main)
  --public-url URL         the service's address, if it has one of its own
  --bucket NAME            inputs and results (PROJECT-mediarun)
  --db-tier TIER           Cloud SQL's machine (db-custom-1-3840)
  --db-availability HOW    zonal, or regional: a second machine takes over (zonal)
  --max-connections N      of PostgreSQL (200); what the services may open must fit
  --force                  applies all settings anew, even those that did not change

Every option may be a variable of the environment instead: PROJECT, REGION, DB_TIER, … Mail: SMTP_URL, SMTP_USER, MAIL_FROM
and, the first time, SMTP_PASSWORD. How many instances, CPUs, connections: infra/services/*.yaml.
USAGE
}

# option → variable, of those that take a value.
declare -A OPTIONS=([--project]=PROJECT [--region]=REGION [--email]=EMAIL [--repo]=REPO [--branch]=BRANCH [--public-url]=PUBLIC_URL
    [--bucket]=BUCKET [--db-tier]=DATABASE_TIER [--db-availability]=DATABASE_AVAILABILITY [--max-connections]=MAX_CONNECTIONS)
declare -A SWITCHES=([--build]=BUILD [--dry-run]=DRY_RUN [--destroy]=DESTROY [--force]=FORCE)

read_environment() {
    PROJECT=${PROJECT:-}
    REGION=${REGION:-us-central1}
    EMAIL=${EMAIL:-}
    REPO=${REPO:-}
    BRANCH=${BRANCH:-main}
    PUBLIC_URL=${PUBLIC_URL:-}
    DATABASE_TIER=${DB_TIER:-db-custom-1-3840}
    DATABASE_AVAILABILITY=${DB_AVAILABILITY:-zonal}
    MAX_CONNECTIONS=${MAX_CONNECTIONS:-200}
    SMTP_URL=${SMTP_URL:-}
    SMTP_USER=${SMTP_USER:-}
    MAIL_FROM=${MAIL_FROM:-}
    BUILD=0 DRY_RUN=0 DESTROY=0 FORCE=0
}

read_options() {
    while (($#)); do
        if [[ $1 == --help || $1 == -h ]]; then
            usage
            exit 0
        elif [[ -n ${SWITCHES[$1]:-} ]]; then
            printf -v "${SWITCHES[$1]}" 1
        elif [[ -n ${OPTIONS[${1%%=*}]:-} ]]; then
            if [[ $1 != *=* ]]; then
                (($# > 1)) || die "$1 needs a value"
                set -- "$1=$2" "${@:3}"
            fi
            printf -v "${OPTIONS[${1%%=*}]}" '%s' "${1#*=}"
        else
            die "unknown option '$1'; see infra/deploy.sh --help"
        fi
        shift
    done
}

check_options() {
    [[ -n $PROJECT ]] || die "which project? infra/deploy.sh --project PROJECT (gcloud projects list)"
    [[ $REGION =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || die "'$REGION' is no region, such as us-central1"
    [[ $DATABASE_AVAILABILITY =~ ^(zonal|regional)$ ]] || die "--db-availability is zonal or regional, not '$DATABASE_AVAILABILITY'"
    is_number "$MAX_CONNECTIONS" 25 10000 || die "--max-connections is a number from 25 to 10000, not '$MAX_CONNECTIONS'"
    [[ -z $SMTP_URL || -n $MAIL_FROM ]] || die "SMTP_URL needs MAIL_FROM, the sender's address"
    [[ -z $PUBLIC_URL || $PUBLIC_URL == https://* ]] || die "--public-url starts with https://, not '$PUBLIC_URL'"
}

deploy() {
    enable_apis
    ensure_accounts
    ensure_buckets
    ensure_metrics
    ensure_topics
    ensure_repository
    ensure_secrets
    declare_kinds
    declare_grants
    ensure_grants "${GRANTS[@]}"
    ensure_instance
    ensure_database
    ensure_login
    read_services
    choose_images
    ensure_services
    ensure_subscriptions
    ensure_grants "${LATE_GRANTS[@]}"
    ensure_sweep
    ensure_monitoring
    ensure_trigger
    smoke_test
}

main() {
    read_environment
    read_options "$@"
    check_options
    SCRATCH=$(mktemp -d)
    trap 'rm -rf "$SCRATCH"' EXIT
    check_budget
    preflight
    derive_settings
    if ((DESTROY)); then
        destroy
        return
    fi
    deploy
    if ((DRY_RUN)); then
        say "dry run: $CHANGES changes would be made"
    else
        say "$CHANGES changes made"
        echo "ready: $WEB_URL"
    fi
}
main "$@"
