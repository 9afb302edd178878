# shellcheck shell=bash
# Cloud SQL and the secrets. No secret is printed or passed as an argument: each is passed in a private file.
# Sourced by infra/deploy.sh.

# flag_value FLAGS NAME: prints the value of a database flag; FLAGS as gcloud prints the list.
flag_value() { grep -oE "'name': '$2', 'value': '[^']*'" <<<"$1" | sed -E "s/.*'([^']*)'\$/\1/" || true; }

# merged_flags FLAGS: prints the flags for --database-flags: those that are set by hand, and ours. A patch replaces the whole list.
merged_flags() {
    local name value all=''
    while IFS=$'\t' read -r name value; do
        [[ -z $name || $name == max_connections ]] || all+="$name=$value|"
    done < <(sed -E "s/\}[;,] ?\{/}\n{/g; s/\{'name': '([^']*)', 'value': '([^']*)'\}/\1\t\2/g" <<<"$1")
    printf '^|^%smax_connections=%s' "$all" "$MAX_CONNECTIONS"
}

# What --production adds to the instance.
PRODUCTION_FLAGS=(--maintenance-window-day=SUN --maintenance-window-hour=3 --connector-enforcement=REQUIRED --deletion-protection)
PRODUCTION_STATE='7|3|REQUIRED|True'

# These flags can be changed later; a change of the tier or of max_connections restarts the database.
ensure_instance() {
    local present name tier availability flags state wanted options
    present=$(ask sqladmin sql instances list --filter="name=$SQL_INSTANCE" \
        --format='value[separator="|"](name,settings.tier,settings.availabilityType,settings.databaseFlags,settings.maintenanceWindow.day,settings.maintenanceWindow.hour,settings.connectorEnforcement,settings.deletionProtectionEnabled)')
    IFS='|' read -r name tier availability flags state <<<"$present"
    options=("--tier=$DATABASE_TIER" "--availability-type=$DATABASE_AVAILABILITY" "--database-flags=$(merged_flags "$flags")")
    ((PRODUCTION)) && options+=("${PRODUCTION_FLAGS[@]}") || state=$PRODUCTION_STATE # without --production it is left as it is
    wanted="$DATABASE_TIER|${DATABASE_AVAILABILITY^^}|$MAX_CONNECTIONS|$PRODUCTION_STATE"
    if [[ -z $name ]]; then
        say "creating the database instance takes about ten minutes"
        change sql instances create "$SQL_INSTANCE" --region="$DATABASE_REGION" --database-version=POSTGRES_16 --edition=enterprise \
            "${options[@]}" --storage-type=SSD --storage-size=10GB --storage-auto-increase --backup-start-time=03:00 \
            --enable-point-in-time-recovery --retained-backups-count=14 --retained-transaction-log-days=7 \
            --ssl-mode=ENCRYPTED_ONLY --deletion-protection ${KMS_KEY:+"--disk-encryption-key=$KMS_KEY"}
    elif ! in_place "$tier|$availability|$(flag_value "$flags" max_connections)|$state" "$wanted"; then
        change sql instances patch "$SQL_INSTANCE" "${options[@]}"
    fi
    [[ -n $name ]] || ((DRY_RUN)) || name=new
    INSTANCE_THERE=${name:+1}
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
