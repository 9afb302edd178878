# shellcheck shell=bash
# Names of the resources, and settings that follow from the project. Sourced by infra/deploy.sh, after infra/names.sh. For
# the options see infra/deploy.sh --help.
# shellcheck disable=SC2034 # used by the other parts

WEB_SERVICE=mediarun-web
WORKER_SERVICE=mediarun-worker
REPOSITORY=mediarun
SQL_INSTANCE=mediarun
DATABASE_NAME=mediarun
# Who logs in to the database, and the secret that holds how: the owner of the tables, web, worker (infra/grants.sql).
DATABASE_OWNER=mediarun
SECRET_DATABASE=mediarun-database-url
DATABASE_WEB=mr_web
SECRET_DATABASE_WEB=mediarun-database-url-web
DATABASE_WORKER=mr_worker
SECRET_DATABASE_WORKER=mediarun-database-url-worker
SECRET_JWT=mediarun-jwt-secret
SECRET_SMTP=mediarun-smtp-password
TRIGGER=mediarun-push
TRIGGER_WEEKLY=mediarun-weekly
TRIGGER_ROLLOUT=mediarun-rollout

APIS=(run pubsub storage sqladmin secretmanager artifactregistry cloudbuild cloudscheduler iam iamcredentials
    cloudresourcemanager monitoring logging containeranalysis containerscanning)

# The names that ${…} may have in infra/services and infra/monitoring.
PLACEHOLDERS=(PROJECT BUCKET DATABASE TOPIC TOPIC_HIGH TOPIC_DELIVERIES SMTP_URL SMTP_USER MAIL_FROM PUBLIC_URL IMAGE SETTINGS INVOKER_IAM_DISABLED INGRESS HOPS KMS_KEY NETWORK SUBNET
    WEB_SERVICE WORKER_SERVICE WEB_HOST SQL_INSTANCE TASKS_SUBSCRIPTION TASKS_HIGH_SUBSCRIPTION DELIVERIES_SUBSCRIPTION
    DEAD_LETTERS_SUBSCRIPTION)

# Call it when the project number is known.
derive_settings() {
    KNOWN="project $PROJECT"$'\n' # the resources that existed before this run
    AGENT_MADE=0
    BUILD_BUCKET=$PROJECT-mediarun-build
    DATABASE=$PROJECT:$DATABASE_REGION:$SQL_INSTANCE
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
    NETWORK=${VPC_SUBNET%/*}
    SUBNET=${VPC_SUBNET#*/}
    IMAGE=
    SETTINGS=
    INVOKER_IAM_DISABLED=
    INGRESS=all
    HOPS=1
}

# account NAME: prints the e-mail address of one of our service accounts.
account() { printf 'mediarun-%s@%s.iam.gserviceaccount.com' "$1" "$PROJECT"; }
