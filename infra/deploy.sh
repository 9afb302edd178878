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
# shellcheck source=infra/deploy/kept.sh
. "$ROOT/infra/deploy/kept.sh"
# shellcheck source=infra/deploy/lock.sh
. "$ROOT/infra/deploy/lock.sh"
# shellcheck source=infra/deploy/budget.sh
. "$ROOT/infra/deploy/budget.sh"
# shellcheck source=infra/deploy/preflight.sh
. "$ROOT/infra/deploy/preflight.sh"
# shellcheck source=infra/deploy/identity.sh
. "$ROOT/infra/deploy/identity.sh"
# shellcheck source=infra/deploy/audit.sh
. "$ROOT/infra/deploy/audit.sh"
# shellcheck source=infra/deploy/encryption.sh
. "$ROOT/infra/deploy/encryption.sh"
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
# shellcheck source=infra/deploy/armor.sh
. "$ROOT/infra/deploy/armor.sh"
# shellcheck source=infra/deploy/monitoring.sh
. "$ROOT/infra/deploy/monitoring.sh"
# shellcheck source=infra/deploy/destroy.sh
. "$ROOT/infra/deploy/destroy.sh"

usage() {
    cat <<'USAGE'
infra/deploy.sh --project PROJECT [OPTION…]   create or update everything, print the URL of the service
infra/deploy.sh --project PROJECT --dry-run   print what would change, change nothing
infra/deploy.sh --project PROJECT --destroy   delete everything, including all data; asks for the project id first

Options, with their defaults in parentheses. They are kept in the project: a later run without an option keeps what was set, and
an empty one, such as --public-url=, sets the default again.
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
  --production             for real use: regional database with a maintenance window (Sunday 03:00 UTC) that only authenticated
                           connectors reach, deleted files kept for 7 days, one instance of each service always on;
                           --no-production takes it back, but for the window and the connectors

  --audit-logs             log who reads and writes files, database and secrets (Cloud Audit Logs, charged by volume)
  --vpc-subnet NET/SUBNET  all outgoing connections of both services go through this subnet of the region, with its firewall and NAT
  --cloud-armor            a load balancer with Cloud Armor in front of the domain of --public-url, which limits the requests of one
                           address; then the service cannot be reached past it. --no-cloud-armor removes it
  --kms-key KEY            key of Cloud KMS (projects/…/cryptoKeys/…) that encrypts database, files, queues, images and services;
                           for a new deployment only, because a database keeps the key that it was created with

For this run only:
  --force                  apply all settings again; overwrites manual changes
  --yes                    no question before a smaller database, another bucket or another region
  --unlock                 remove the lock of a run that ended early on another machine
  --allow-older            deploy although a newer version did

Each option can be set as an environment variable instead: PROJECT, REGION, DB_TIER, … For mail set SMTP_URL, SMTP_USER and
MAIL_FROM, and for the first run SMTP_PASSWORD. Instances, CPU, memory and slots are set in infra/services/*.yaml.
USAGE
}

# The options that take a value, and the variable of each.
declare -A OPTIONS=([--project]=PROJECT [--region]=REGION [--email]=EMAIL [--page]=PAGE [--budget]=BUDGET [--repo]=REPO [--branch]=BRANCH [--public-url]=PUBLIC_URL
    [--bucket]=BUCKET [--db-tier]=DATABASE_TIER [--db-availability]=DATABASE_AVAILABILITY [--max-connections]=MAX_CONNECTIONS
    [--vpc-subnet]=VPC_SUBNET [--kms-key]=KMS_KEY)
declare -A SWITCHES=([--build]=BUILD [--dry-run]=DRY_RUN [--destroy]=DESTROY [--force]=FORCE [--yes]=YES [--unlock]=UNLOCK
    [--allow-older]=ALLOW_OLDER)
# Switches that are kept, and can be switched off by --no-….
declare -A KEPT_SWITCHES=([--production]=PRODUCTION [--audit-logs]=AUDIT_LOGS [--cloud-armor]=CLOUD_ARMOR)
# Variables that are kept in the project, their environment variable if it has another name, and their defaults.
mapfile -t KEPT < <(printf '%s\n' "${OPTIONS[@]}" "${KEPT_SWITCHES[@]}" SMTP_URL SMTP_USER MAIL_FROM DATABASE_REGION | grep -vx PROJECT)
declare -A ENVIRONMENT=([DATABASE_TIER]=DB_TIER [DATABASE_AVAILABILITY]=DB_AVAILABILITY)
declare -A DEFAULTS=([REGION]=us-central1 [BRANCH]=main [DATABASE_TIER]=db-custom-1-3840 [DATABASE_AVAILABILITY]=zonal
    [MAX_CONNECTIONS]=200 [PRODUCTION]=0 [AUDIT_LOGS]=0 [CLOUD_ARMOR]=0)
declare -A GIVEN=() # variable → 1 if this run was given it

read_environment() {
    local name variable
    PROJECT=${PROJECT:-}
    for name in "${KEPT[@]}"; do
        variable=${ENVIRONMENT[$name]:-$name}
        printf -v "$name" '%s' "${!variable:-}"
        [[ -z ${!name} ]] || GIVEN[$name]=1
    done
    BUILD=0 DRY_RUN=0 DESTROY=0 FORCE=0 YES=0 UNLOCK=0 ALLOW_OLDER=0
}

set_option() { # VARIABLE VALUE
    printf -v "$1" '%s' "$2"
    GIVEN[$1]=1
}

read_options() {
    while (($#)); do
        if [[ $1 == --help || $1 == -h ]]; then
            usage
            exit 0
        elif [[ -n ${SWITCHES[$1]:-} ]]; then
            printf -v "${SWITCHES[$1]}" 1
        elif [[ -n ${KEPT_SWITCHES[$1]:-} ]]; then
            set_option "${KEPT_SWITCHES[$1]}" 1
        elif [[ $1 == --no-* && -n ${KEPT_SWITCHES[--${1#--no-}]:-} ]]; then
            set_option "${KEPT_SWITCHES[--${1#--no-}]}" 0
        elif [[ -n ${OPTIONS[${1%%=*}]:-} ]]; then
            if [[ $1 != *=* ]]; then
                (($# > 1)) || die "$1 needs a value"
                set -- "$1=$2" "${@:3}"
            fi
            set_option "${OPTIONS[${1%%=*}]}" "${1#*=}"
        else
            die "unknown option '$1'; see infra/deploy.sh --help"
        fi
        shift
    done
}

# Checks what was given, and, when it is called again, what was kept.
check_options() {
    [[ -n $PROJECT ]] || die "--project is missing: infra/deploy.sh --project PROJECT (see gcloud projects list)"
    [[ -z $REGION || $REGION =~ ^[a-z]+-[a-z]+[0-9]+$ ]] || die "--region must be a region such as us-central1, not '$REGION'"
    [[ $DATABASE_AVAILABILITY =~ ^(zonal|regional|)$ ]] || die "--db-availability must be zonal or regional, not '$DATABASE_AVAILABILITY'"
    [[ -z $MAX_CONNECTIONS ]] || is_number "$MAX_CONNECTIONS" 25 10000 || die "--max-connections must be a whole number from 25 to 10000, not '$MAX_CONNECTIONS'"
    check_alert_options
    [[ -z $VPC_SUBNET || $VPC_SUBNET =~ ^[a-z0-9-]+/[a-z0-9-]+$ ]] || die "--vpc-subnet must be NETWORK/SUBNET, not '$VPC_SUBNET'"
    [[ -z $KMS_KEY || $KMS_KEY =~ ^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$ ]] ||
        die "--kms-key must be projects/…/locations/…/keyRings/…/cryptoKeys/…, not '$KMS_KEY'"
    local name
    for name in "${KEPT_SWITCHES[@]}"; do
        [[ ${!name} =~ ^[01]?$ ]] || die "$name must be 0 or 1, not '${!name}'"
    done
    [[ -z $PUBLIC_URL || $PUBLIC_URL == https://* ]] || die "--public-url must start with https://, not '$PUBLIC_URL'"
}

# Checks again with what the deployment has: the settings fit together, and the services fit them.
check_settings() {
    check_options
    [[ -z $SMTP_URL || -n $MAIL_FROM ]] || die "SMTP_URL requires MAIL_FROM, the address of the sender"
    [[ $CLOUD_ARMOR != 1 || $PUBLIC_URL =~ ^https://[a-z0-9.-]+/?$ ]] ||
        die "--cloud-armor needs --public-url https://DOMAIN: a domain of yours that you let point at the load balancer"
    check_budget
}

deploy() {
    derive_alerts
    enable_apis
    store_settings
    ensure_key
    ensure_accounts
    ensure_buckets
    ensure_metrics
    ensure_topics
    ensure_repository
    ensure_secrets
    declare_kinds
    declare_grants
    ensure_grants "${GRANTS[@]}"
    ensure_audit_logs
    ensure_instance
    ensure_database
    ensure_logins
    read_services
    choose_ingress
    choose_images
    ensure_services
    ensure_subscriptions
    ensure_grants "${LATE_GRANTS[@]}"
    ensure_sweep
    ensure_monitoring
    ensure_trigger
    ensure_public
    ensure_armor
    remove_armor
    smoke_test
}

main() {
    read_environment
    read_options "$@"
    check_options
    REGION=${REGION:-${DEFAULTS[REGION]}} MAX_CONNECTIONS=${MAX_CONNECTIONS:-10000} check_budget
    SCRATCH=$(mktemp -d)
    trap 'release_lock; rm -rf "$SCRATCH"' EXIT
    preflight
    VERSION=$(<"$ROOT/VERSION")
    keep_settings
    check_settings
    derive_settings
    if ((DESTROY)); then
        destroy
        return
    fi
    confirm_settings
    deploy
    if ((DRY_RUN)); then
        say "dry run: $CHANGES changes would be made"
    else
        say "$CHANGES changes made"
        [[ $INGRESS == all ]] || WEB_URL=${PUBLIC_URL%/}
        echo "ready: $WEB_URL"
    fi
}
main "$@"
