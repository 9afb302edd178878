# shellcheck shell=bash
# What is to be made: names, accounts and everything that follows from the project. Sourced by infra/deploy.sh, after
# infra/names.sh. What may be chosen is in infra/deploy.sh's usage.
# shellcheck disable=SC2034 # read by the other parts

WEB_SERVICE=mediarun-web
WORKER_SERVICE=mediarun-worker
REPOSITORY=mediarun
SQL_INSTANCE=mediarun
DATABASE_NAME=mediarun
DATABASE_USER=mediarun
SECRET_DATABASE=mediarun-database-url
SECRET_JWT=mediarun-jwt-secret
SECRET_SMTP=mediarun-smtp-password
TRIGGER=mediarun-push

APIS=(run pubsub storage sqladmin secretmanager artifactregistry cloudbuild cloudscheduler iam iamcredentials
    cloudresourcemanager monitoring logging)

# What ${…} may stand for in infra/services and infra/monitoring.
PLACEHOLDERS=(PROJECT BUCKET DATABASE TOPIC TOPIC_HIGH TOPIC_DELIVERIES SMTP_URL SMTP_USER MAIL_FROM PUBLIC_URL IMAGE SETTINGS
    WEB_SERVICE WORKER_SERVICE WEB_HOST SQL_INSTANCE TASKS_SUBSCRIPTION TASKS_HIGH_SUBSCRIPTION DELIVERIES_SUBSCRIPTION
    DEAD_LETTERS_SUBSCRIPTION)

# Called once the project's number is known.
derive_settings() {
    BUCKET=${BUCKET:-$PROJECT-mediarun}
    KNOWN="project $PROJECT"$'\n' # what was there before this run
    AGENT_MADE=0
    BUILD_BUCKET=$PROJECT-mediarun-build
    DATABASE=$PROJECT:$REGION:$SQL_INSTANCE
    REGISTRY=$REGION-docker.pkg.dev/$PROJECT/$REPOSITORY
    TOPIC=$MR_TOPIC
    TOPIC_HIGH=$MR_TOPIC_HIGH
    TOPIC_DELIVERIES=$MR_TOPIC_DELIVERIES
    TOPIC_DEAD=$MR_TOPIC_DEAD
    TASKS_SUBSCRIPTION=$TOPIC-worker
    TASKS_HIGH_SUBSCRIPTION=$TOPIC_HIGH-worker
    DELIVERIES_SUBSCRIPTION=$TOPIC_DELIVERIES-worker
    DEAD_LETTERS_SUBSCRIPTION=$MR_SUBSCRIPTION_DEAD
    PUBLIC_URL=${PUBLIC_URL:-https://$WEB_SERVICE-$NUMBER.$REGION.run.app}
    PUBSUB_AGENT=service-$NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com
    WEB_HOST=${PUBLIC_URL#*://}
    WEB_HOST=${WEB_HOST%%/*}
    IMAGE=
    SETTINGS=
}

# account NAME: the address of one of our service accounts.
account() { printf 'mediarun-%s@%s.iam.gserviceaccount.com' "$1" "$PROJECT"; }
