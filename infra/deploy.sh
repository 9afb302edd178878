#!/usr/bin/env bash
# Deploys mediarun to a project of Google Cloud: creates what is missing, updates what differs, keeps the rest. You can run
# it again at any time; after a failure it continues where it stopped. Usage: infra/deploy.sh --help
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
infra/deploy.sh --project PROJECT [OPTION…]   create or update everything, print the URL of the service
infra/deploy.sh --project PROJECT --dry-run   print what would change, change nothing
infra/deploy.sh --project PROJECT --destroy   delete everything, including all data; asks for the project id first

Options, with their defaults in parentheses:
  --region REGION          region for all resources (us-central1)
  --build                  build new images, even if the services already run
  --email ADDRESS          address that receives all alerts
  --page ADDRESS           who is woken by alerts of severity CRITICAL: an address, or the name of a notification channel
  --budget AMOUNT          warn by mail when a month costs that much, such as 100EUR
  --repo OWNER/NAME        test, build and deploy each push to this repository; connect it to Cloud Build first
  --branch BRANCH          branch of that repository (main)
  --public-url URL         URL of the service if it has its own domain
  --bucket NAME            bucket for inputs and results (PROJECT-mediarun)
  --db-tier TIER           machine type of the database (db-custom-1-3840)
  --db-availability HOW    zonal, or regional for a standby machine (zonal)
  --max-connections N      connections that PostgreSQL accepts (200)
  --force                  apply all settings again; overwrites manual changes

Each option can be set as an environment variable instead: PROJECT, REGION, DB_TIER, … For mail set SMTP_URL, SMTP_USER and
MAIL_FROM, and for the first run SMTP_PASSWORD. Instances, CPU, memory and slots are set in infra/services/*.yaml.
USAGE
}

# The options that take a value, and the variable of each.
declare -A OPTIONS=([--project]=PROJECT [--region]=REGION [--email]=EMAIL [--page]=PAGE [--budget]=BUDGET [--repo]=REPO [--branch]=BRANCH [--public-url]=PUBLIC_URL
    [--bucket]=BUCKET [--db-tier]=DATABASE_TIER [--db-availability]=DATABASE_AVAILABILITY [--max-connections]=MAX_CONNECTIONS)
declare -A SWITCHES=([--build]=BUILD [--dry-run]=DRY_RUN [--destroy]=DESTROY [--force]=FORCE)

read_environment() {
    PROJECT=${PROJECT:-}
    REGION=${REGION:-us-central1}
    EMAIL=${EMAIL:-}
    PAGE=${PAGE:-}
    BUDGET=${BUDGET:-}
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
    [[ -n $PROJECT ]] || die "--project is missing: infra/deploy.sh --project PROJECT (see gcloud projects list)"
    [[ $REGION =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || die "--region must be a region such as us-central1, not '$REGION'"
    [[ $DATABASE_AVAILABILITY =~ ^(zonal|regional)$ ]] || die "--db-availability must be zonal or regional, not '$DATABASE_AVAILABILITY'"
    is_number "$MAX_CONNECTIONS" 25 10000 || die "--max-connections must be a whole number from 25 to 10000, not '$MAX_CONNECTIONS'"
    [[ -z $SMTP_URL || -n $MAIL_FROM ]] || die "SMTP_URL requires MAIL_FROM, the address of the sender"
    check_alert_options
    [[ -z $PUBLIC_URL || $PUBLIC_URL == https://* ]] || die "--public-url must start with https://, not '$PUBLIC_URL'"
}

deploy() {
    derive_alerts
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
    ensure_logins
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
