# shellcheck shell=bash
# Cloud SQL and the secrets. No secret is printed or passed as an argument: each is passed in a private file.
# Sourced by infra/deploy.sh.

# These flags can be changed later; a change of the tier or of max_connections restarts the database.
ensure_instance() {
    local wanted present flags=("--tier=$DATABASE_TIER" "--availability-type=$DATABASE_AVAILABILITY"
        "--database-flags=max_connections=$MAX_CONNECTIONS")
    wanted=$(printf '%s\t%s\t%s' "$DATABASE_TIER" "${DATABASE_AVAILABILITY^^}" "$MAX_CONNECTIONS")
    present=$(ask sqladmin sql instances list --filter="name=$SQL_INSTANCE" \
        --format='value(name,settings.tier,settings.availabilityType,settings.databaseFlags[0].value)')
    if [[ -z $present ]]; then
        say "creating the database instance takes about ten minutes"
        change sql instances create "$SQL_INSTANCE" --region="$REGION" --database-version=POSTGRES_16 --edition=enterprise \
            "${flags[@]}" --storage-type=SSD --storage-size=10GB --storage-auto-increase --backup-start-time=03:00 \
            --enable-point-in-time-recovery --retained-backups-count=14 --retained-transaction-log-days=7 \
            --ssl-mode=ENCRYPTED_ONLY --deletion-protection
    elif ! in_place "${present#*$'\t'}" "$wanted"; then
        change sql instances patch "$SQL_INSTANCE" "${flags[@]}"
    fi
    [[ -n $present ]] || ((DRY_RUN)) || present=new
    INSTANCE_THERE=${present:+1}
}

ensure_database() {
    local present=
    [[ -z $INSTANCE_THERE ]] || present=$(ask sqladmin sql databases list --instance="$SQL_INSTANCE" --format='value(name)')
    has_line "$present" "$DATABASE_NAME" || change sql databases create "$DATABASE_NAME" --instance="$SQL_INSTANCE"
}

random_text() { head -c 48 /dev/urandom | base64 | tr -d '\n+/='; }

# store_secret NAME: adds a version with the content of $SCRATCH/secret.
store_secret() { change secrets versions add "$1" --data-file="$SCRATCH/secret"; }

# has_version SECRET: true if it has an enabled version. Ends the script if that cannot be read.
has_version() {
    local version
    has_line "$SECRETS" "$1" || return 1
    version=$(ask secretmanager secrets versions list "$1" --filter=state=ENABLED --limit=1 --format='value(name)') || exit 1
    [[ -n $version ]]
}

# ensure_login USER SECRET: only the secret holds the password. If a step fails, the next run makes a new password.
ensure_login() {
    local user=$1 secret=$2 verb=create password
    if has_line "$DATABASE_USERS" "$user"; then
        ! has_version "$secret" || return 0
        verb=set-password
    fi
    password=$(random_text)
    printf 'host=/cloudsql/%s dbname=%s user=%s password=%s connect_timeout=10' "$DATABASE" "$DATABASE_NAME" "$user" \
        "$password" >"$SCRATCH/secret"
    printf -- '--password: "%s"\n' "$password" >"$SCRATCH/flags"
    [[ $verb != create ]] || store_secret "$secret"
    change sql users "$verb" "$user" --instance="$SQL_INSTANCE" --flags-file="$SCRATCH/flags"
    [[ $verb == create ]] || store_secret "$secret"
    rm -f "$SCRATCH/secret" "$SCRATCH/flags"
}

ensure_logins() {
    DATABASE_USERS=
    [[ -z $INSTANCE_THERE ]] || DATABASE_USERS=$(ask sqladmin sql users list --instance="$SQL_INSTANCE" --format='value(name)')
    ensure_login "$DATABASE_OWNER" "$SECRET_DATABASE"
    ensure_login "$DATABASE_WEB" "$SECRET_DATABASE_WEB"
    ensure_login "$DATABASE_WORKER" "$SECRET_DATABASE_WORKER"
}

ensure_secrets() {
    local name names=("$SECRET_DATABASE" "$SECRET_DATABASE_WEB" "$SECRET_DATABASE_WORKER" "$SECRET_JWT")
    [[ -z $SMTP_URL ]] || names+=("$SECRET_SMTP")
    SECRETS=$(ask secretmanager secrets list --format='value(name.basename())')
    note secret "$SECRETS"
    for name in "${names[@]}"; do
        has_line "$SECRETS" "$name" || change secrets create "$name" --replication-policy=automatic --labels=app=mediarun
    done
    has_version "$SECRET_JWT" || {
        random_text >"$SCRATCH/secret"
        store_secret "$SECRET_JWT"
        rm -f "$SCRATCH/secret"
    }
    [[ -z $SMTP_URL ]] || has_version "$SECRET_SMTP" || {
        [[ -n ${SMTP_PASSWORD:-} ]] || die "SMTP_PASSWORD is missing: with SMTP_URL the first run needs the password of the mail relay in the environment"
        printf '%s' "$SMTP_PASSWORD" >"$SCRATCH/secret"
        store_secret "$SECRET_SMTP"
        rm -f "$SCRATCH/secret"
    }
}
