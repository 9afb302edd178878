# shellcheck shell=bash
# The options of a deployment are kept in its project, so a later run without an option keeps what was set. They are annotations
# of the secret mediarun-settings, which has no content: one key for each variable. Sourced by infra/deploy.sh.
#
# OPTIONS, KEPT, DEFAULTS and GIVEN (the variables that this run was given) are in infra/deploy.sh. Sets STORED, lines KEY=VALUE.

SECRET_SETTINGS=mediarun-settings
STORED=
SETTINGS_READ=0 # whether STORED has been read
declare -A FORMER=() # variable → what the deployment had

key_of() {
    local key=${1,,}
    printf '%s' "${key//_/-}"
}

# read_settings: prints lines KEY=VALUE, sorted; nothing if there are none.
read_settings() {
    local found
    found=$(ask secretmanager secrets list --filter="name~/$SECRET_SETTINGS\$" --format='value(annotations.list(separator="<;>"))')
    [[ -z $found ]] || printf '%s\n' "${found//<;>/$'\n'}" | LC_ALL=C sort
}

# is_newer A B: true if version A is newer than B.
is_newer() { [[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | tail -n 1) == "$1" ]]; }

# Sets FORMER from STORED. Ends the script if a newer infra/deploy.sh wrote it.
parse_settings() {
    local line name version
    local -A names=([version]=VERSION)
    for name in "${KEPT[@]}"; do
        names[$(key_of "$name")]=$name
    done
    while IFS= read -r line; do
        [[ -n $line ]] || continue
        name=${names[${line%%=*}]:-}
        [[ -n $name ]] || die "the deployment has a setting '${line%%=*}' that this infra/deploy.sh does not know: use the version that deployed it, or a newer one"
        FORMER[$name]=${line#*=}
    done <<<"$STORED"
    version=${FORMER[VERSION]:-0}
    ! is_newer "$version" "$VERSION" || ((ALLOW_OLDER)) ||
        die "the deployment was made by mediarun $version, this is the older $VERSION: use $version or newer (git pull), or go back with --allow-older"
}

# What was deployed before options were kept has none yet: they are read from what there is.
adopt_settings() {
    local found name key value variables
    found=$(ask sqladmin sql instances list --filter="name=$SQL_INSTANCE" \
        --format='value[separator="|"](region,settings.tier,settings.availabilityType,settings.databaseFlags)')
    [[ -n $found ]] || return 0
    IFS='|' read -r 'FORMER[REGION]' 'FORMER[DATABASE_TIER]' value found <<<"$found"
    FORMER[DATABASE_AVAILABILITY]=${value,,}
    FORMER[DATABASE_REGION]=${FORMER[REGION]}
    FORMER[MAX_CONNECTIONS]=$(flag_value "$found" max_connections)
    variables=$(ask run run services list --region="${FORMER[REGION]}" --flatten='spec.template.spec.containers[0].env[]' \
        --format='value[separator="|"](spec.template.spec.containers.env.name,spec.template.spec.containers.env.value)')
    while IFS='|' read -r key value; do
        for name in BUCKET PUBLIC_URL SMTP_URL SMTP_USER MAIL_FROM; do
            [[ $key != "$name" ]] || FORMER[$name]=$value
        done
    done <<<"$variables"
    [[ ${FORMER[PUBLIC_URL]:-} != "https://$WEB_SERVICE-"*.run.app ]] || FORMER[PUBLIC_URL]=
}

# Sets each option that was not given to what the deployment has, or else to its default.
keep_settings() {
    local name turned=0
    STORED=$(read_settings)
    # shellcheck disable=SC2034 # lock.sh uses it
    SETTINGS_READ=1
    if [[ -n $STORED ]]; then
        parse_settings
    else
        adopt_settings
    fi
    [[ -z ${GIVEN[PRODUCTION]:-} || $PRODUCTION == "${FORMER[PRODUCTION]:-0}" ]] || turned=1
    for name in "${KEPT[@]}"; do
        [[ -z ${GIVEN[$name]:-} ]] || continue
        # Where --production comes or goes, what follows from it does, too.
        [[ $name != DATABASE_AVAILABILITY ]] || ((!turned)) || continue
        [[ -z ${FORMER[$name]:-} ]] || printf -v "$name" '%s' "${FORMER[$name]}"
    done
    ((PRODUCTION != 1)) || DATABASE_AVAILABILITY=${DATABASE_AVAILABILITY:-regional}
    for name in "${KEPT[@]}"; do
        [[ -n ${!name} ]] || printf -v "$name" '%s' "${DEFAULTS[$name]:-}"
    done
    BUCKET=${BUCKET:-$PROJECT-mediarun}
    DATABASE_REGION=${DATABASE_REGION:-$REGION} # the instance never moves
    WANTED=$(settings_lines)
}

# settings_lines: prints the options as lines KEY=VALUE, sorted; empty ones are left out.
settings_lines() {
    local name
    for name in "${KEPT[@]}" VERSION; do
        [[ -z ${!name} ]] || printf '%s=%s\n' "$(key_of "$name")" "${!name}"
    done | LC_ALL=C sort
}

store_settings() {
    local line gone='' verb=create flag=--set-annotations more=(--replication-policy=automatic --labels=app=mediarun)
    [[ $WANTED != "$STORED" ]] || return 0
    if [[ -n $STORED ]]; then
        verb=update flag=--update-annotations more=()
        while IFS= read -r line; do
            grep -q "^${line%%=*}=" <<<"$WANTED" || gone+=",${line%%=*}"
        done <<<"$STORED"
        [[ -z $gone ]] || more=("--remove-annotations=${gone#,}")
    fi
    change secrets "$verb" "$SECRET_SETTINGS" "${more[@]}" "$flag=^<;>^${WANTED//$'\n'/<;>}"
    ((DRY_RUN)) || STORED=$WANTED
}

# tier_size TIER: prints vCPUs and MiB of db-custom-CPUS-MIB; nothing for others.
tier_size() { sed -nE 's/^db-custom-([0-9]+)-([0-9]+)$/\1 \2/p' <<<"$1"; }

# is_smaller TIER FORMER: true unless both sizes are known and none of them shrinks.
is_smaller() {
    local cpus memory former_cpus former_memory
    read -r cpus memory <<<"$(tier_size "$1")"
    read -r former_cpus former_memory <<<"$(tier_size "$2")"
    [[ -z $cpus || -z $former_cpus ]] || ((cpus < former_cpus || memory < former_memory))
}

changed() { [[ -n ${FORMER[$1]:-} && ${!1} != "${FORMER[$1]}" ]]; }

# Asks before a change that can lose capacity or leaves something behind. Without a terminal it needs --yes.
confirm_settings() {
    local typed reasons=()
    [[ -z ${FORMER[REGION]:-} || $KMS_KEY == "${FORMER[KMS_KEY]:-}" ]] ||
        die "--kms-key cannot be changed: the database keeps the key that it was created with; deploy to a new project and move the data"
    ! changed REGION || reasons+=("--region $REGION: services, images, sweep and trigger are created there; those in ${FORMER[REGION]} stay until you delete them, bucket and database stay where they are")
    ! changed BUCKET || reasons+=("--bucket $BUCKET: inputs and results in ${FORMER[BUCKET]} are no longer found")
    if changed DATABASE_TIER && is_smaller "$DATABASE_TIER" "${FORMER[DATABASE_TIER]}"; then
        reasons+=("--db-tier $DATABASE_TIER: the database gets smaller than ${FORMER[DATABASE_TIER]}")
    fi
    ! changed DATABASE_AVAILABILITY || [[ $DATABASE_AVAILABILITY != zonal ]] || reasons+=("--db-availability zonal: the database loses its standby machine")
    ! changed MAX_CONNECTIONS || ((MAX_CONNECTIONS >= FORMER[MAX_CONNECTIONS])) || reasons+=("--max-connections $MAX_CONNECTIONS: the database accepts fewer than ${FORMER[MAX_CONNECTIONS]}")
    ((${#reasons[@]} && !YES)) || return 0
    if ((DRY_RUN)); then
        printf 'note: this needs a confirmation: %s\n' "${reasons[@]}" >&2
        return 0
    fi
    [[ -t 0 ]] || die "this needs a confirmation, or --yes: $(printf '%s; ' "${reasons[@]}")nothing was changed"
    printf '%s\n' "${reasons[@]}" >&2
    read -r -p "Type yes to continue: " typed || typed=
    [[ $typed == yes ]] || die "nothing was changed"
}
