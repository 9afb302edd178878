# shellcheck shell=bash
# Calls to gcloud: reads, changes, and one clear line if a call fails. Sourced by infra/deploy.sh.
#
# Uses PROJECT, DRY_RUN and SCRATCH (a private directory). Counts the changes in CHANGES.

CHANGES=0

# A pattern for the command and the error, and a hint for the user. The first match counts.
HINTS=(
    'billing~link a billing account: gcloud billing projects link PROJECT --billing-account=…'
    'PERMISSION_DENIED|does not have permission|403~ask an owner of the project for the permission, then run this again'
    'buckets create.*(ALREADY_EXISTS|409)~bucket names are global and this one is taken: choose another one with --bucket'
    'instances create.*409~the name of a deleted instance is reserved for a week: choose another SQL_INSTANCE in infra/deploy/settings.sh'
    'ALREADY_EXISTS|409~it was created at the same time by someone else; run this again'
    'RESOURCE_EXHAUSTED|[Qq]uota|429~a quota is used up: wait a minute or raise it, then run this again'
    'INTERNAL|UNAVAILABLE|50[0-9]~a failure at Google: run this again, it continues where it stopped'
    '~fix it and run this again, it continues where it stopped'
)
# Errors that go away by themselves: a new account or service is not visible everywhere at once.
SETTLING='SERVICE_DISABLED|has not been used in project|Service account [^ ]* does not exist|IAM_SERVICE_ACCOUNT_DOES_NOT_EXIST|Cannot find metric'
SETTLE_ATTEMPTS=12
SETTLE_SECONDS=10

# error_text FILE: prints the error in the output of gcloud, as one line.
error_text() {
    local said
    said=$(sed -n '/^ERROR:/,$p' "$1")
    [[ -n $said ]] || said=$(<"$1")
    said=$(tr -s '\n ' ' ' <<<"$said")
    printf '%.400s' "${said% }"
}

# give_up WHAT FILE: ends the script with one line; FILE holds the output of gcloud.
give_up() {
    local entry said
    said=$(error_text "$2")
    for entry in "${HINTS[@]}"; do
        [[ ! "$1 $said" =~ ${entry%%~*} ]] || die "$1: $said — ${entry#*~}"
    done
}

# google WHAT ARGUMENT…: prints gcloud's output. Retries errors that go away by themselves; ends the script on all others.
google() {
    local what=$1 attempts=0 said=$SCRATCH/$BASHPID
    shift
    until gcloud --project="$PROJECT" --quiet "$@" >"$said.out" 2>"$said.err" </dev/null; do
        if ((attempts++ >= SETTLE_ATTEMPTS)) || ! grep -qE "$SETTLING" "$said.err"; then
            give_up "$what" "$said.err"
        fi
        say "  waiting until Google knows it everywhere: $what"
        sleep "$SETTLE_SECONDS"
    done
    cat "$said.out"
}

# ask API ARGUMENT…: prints the output of a command that only reads; nothing while the API is disabled, which happens only
# with --dry-run.
ask() {
    local api=$1
    shift
    if has_line "$ENABLED_APIS" "$api.googleapis.com"; then
        google "cannot read: gcloud $*" "$@"
    fi
}

# change ARGUMENT…: prints a command that changes something, and runs it unless this is a dry run.
change() {
    CHANGES=$((CHANGES + 1))
    printf '+ gcloud --project=%s%s\n' "$PROJECT" "$(printf ' %q' "$@")" >&2
    ((DRY_RUN)) || google "failed: gcloud $1 $2 ${3:-}" "$@" >/dev/null
}

# has_line TEXT LINE: true if LINE is one of the lines of TEXT.
has_line() { grep -qxF -- "$2" <<<"$1"; }

# field_of TEXT KEY: prints VALUE of the line "KEY<tab>VALUE".
field_of() { awk -F '\t' -v key="$2" '$1 == key { print $2; exit }' <<<"$1"; }

# settings_of TEXT…: prints a short hash of settings. It is stored as a label of the resource, to detect changed settings.
settings_of() { printf '%s\0' "$@" | sha256sum | cut -c 1-16; }

# in_place HASH WANTED: true if the settings need no update; never with --force.
in_place() { [[ $1 == "$2" ]] && ((!FORCE)); }

# render FILE: prints the file with each ${NAME} of PLACEHOLDERS replaced.
render() {
    local text name
    text=$(<"$1")
    for name in "${PLACEHOLDERS[@]}"; do
        text=${text//"\${$name}"/${!name}}
    done
    printf '%s\n' "$text"
}

# rest METHOD URL JSON: a call for which gcloud has no command. The token is passed in a file, not in argv.
rest() {
    local status
    gcloud auth print-access-token --quiet >"$SCRATCH/token" 2>"$SCRATCH/err" || give_up "no access token" "$SCRATCH/err"
    printf 'header = "Authorization: Bearer %s"\n' "$(<"$SCRATCH/token")" >"$SCRATCH/curl"
    status=$(curl -sS -m 60 -o "$SCRATCH/out" -w '%{http_code}' -K "$SCRATCH/curl" -X "$1" -H 'Content-Type: application/json' \
        -H "x-goog-user-project: $PROJECT" --data "$3" "$2" 2>"$SCRATCH/err") || give_up "$1 $2" "$SCRATCH/err"
    [[ $status == 2?? ]] || {
        { printf 'ERROR: %s ' "$status" && tr -s '\n ' ' ' <"$SCRATCH/out"; } >"$SCRATCH/err"
        give_up "$1 ${2%%\?*}" "$SCRATCH/err"
    }
    cat "$SCRATCH/out"
}

# api_url NAME VERSION_AND_PATH: prints the URL of an API; respects gcloud's variable that overrides it.
api_url() {
    local override=CLOUDSDK_API_ENDPOINT_OVERRIDES_${1^^}
    printf '%s%s' "${!override:-https://$1.googleapis.com/}" "$2"
}

# note KIND TEXT: remembers that the resources exist whose names begin the lines of TEXT.
note() {
    local name
    while read -r name _; do
        [[ -z $name ]] || KNOWN+="$1 $name"$'\n'
    done <<<"$2"
}
