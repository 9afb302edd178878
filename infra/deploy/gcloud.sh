# shellcheck shell=bash
# Calls to gcloud: reads, changes, and one clear line if a call fails. Sourced by infra/deploy.sh.
#
# Uses PROJECT, DRY_RUN and SCRATCH (a private directory). Counts the changes in CHANGES.

CHANGES=0

# A pattern for the command and the error, and a hint for the user. The first match counts.
HINTS=(
    '[Bb]illing~link a billing account: gcloud billing projects link PROJECT --billing-account=…'
    'SERVICE_DISABLED|has not been used in project~the API is not enabled, or not yet everywhere: gcloud services enable it in the project that the error names, wait five minutes, then run this again'
    'orgpolicy|[Oo]rg(ani[sz]ation)? [Pp]olic|constraints/|permitted customer~an organization policy forbids it: ask an administrator of the organization to allow it for this project, then run this again'
    'builds submit.*quota~a new project may use few CPUs for builds in some regions: raise the quota (console, IAM, Quotas, Cloud Build API), or use another --region'
    'per (minute|100 seconds|second|user)|[Rr]ate.?[Ll]imit~too many requests at once: wait a minute, then run this again'
    'RESOURCE_EXHAUSTED|QUOTA_EXCEEDED|[Qq]uota|429~a quota is used up: raise it (console, IAM, Quotas) or free some of it, then run this again'
    'PERMISSION_DENIED|does not have permission|403~ask an owner of the project for the permission, then run this again'
    'buckets create.*(ALREADY_EXISTS|409)~bucket names are global and this one is taken: choose another one with --bucket'
    'instances create.*409~the name of a deleted instance is reserved for a week: choose another SQL_INSTANCE in infra/deploy/settings.sh'
    'ALREADY_EXISTS|409~it was created at the same time by someone else; run this again'
    'INTERNAL|UNAVAILABLE|50[0-9]~a failure at Google: run this again, it continues where it stopped'
    '~fix it and run this again, it continues where it stopped'
)
# Errors that go away by themselves: a new account or service is not visible everywhere at once.
SETTLING='SERVICE_DISABLED|has not been used in project|Service account [^ ]* does not exist|IAM_SERVICE_ACCOUNT_DOES_NOT_EXIST|Cannot find metric'
SETTLE_ATTEMPTS=30
SETTLE_SECONDS=${SETTLE_SECONDS:-10}

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

# settles FILE: true, after a pause, if the error in FILE goes away by itself. Counts in the caller's `attempts`.
settles() {
    ((attempts++ < SETTLE_ATTEMPTS)) && grep -qE "$SETTLING" "$1" || return 1
    say "  waiting until Google knows it everywhere: $2"
    sleep "$SETTLE_SECONDS"
}

# attempt ARGUMENT…: prints gcloud's output. Retries errors that go away by themselves; on others it is false, and the error is
# in $SCRATCH/$BASHPID.err.
attempt() {
    local attempts=0 said=$SCRATCH/$BASHPID
    until gcloud --project="$PROJECT" --quiet "$@" >"$said.out" 2>"$said.err" </dev/null; do
        settles "$said.err" "gcloud $1 $2 ${3:-}" || return 1
    done
    cat "$said.out"
}

# google WHAT ARGUMENT…: the same, but an error ends the script.
google() {
    attempt "${@:2}" || give_up "$1" "$SCRATCH/$BASHPID.err"
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
    ((DRY_RUN)) || {
        take_lock
        google "failed: gcloud $1 $2 ${3:-}" "$@" >/dev/null
    }
}

# change_by_rest METHOD URL FILE SOURCE: the same for what gcloud has no command for; FILE holds the JSON made from SOURCE.
change_by_rest() {
    CHANGES=$((CHANGES + 1))
    say "+ $1 $2 ($4)"
    ((DRY_RUN)) || {
        take_lock
        rest "$1" "$2" "@$3" "x-goog-user-project: $PROJECT" >/dev/null
    }
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

# rest METHOD URL JSON [HEADER]: a call for which gcloud has no command. The token is passed in a file, not in argv. Without a
# header `x-goog-user-project`, the API does not have to be enabled in PROJECT.
rest() {
    local attempts=0
    until try_rest "$@"; do
        settles "$SCRATCH/err" "$1 ${2%%\?*}" || give_up "$1 ${2%%\?*}" "$SCRATCH/err"
    done
    cat "$SCRATCH/out"
}

try_rest() {
    local status
    gcloud auth print-access-token --quiet >"$SCRATCH/token" 2>"$SCRATCH/err" || return 1
    printf 'header = "Authorization: Bearer %s"\n' "$(<"$SCRATCH/token")" >"$SCRATCH/curl"
    status=$(curl -sS -m 60 -o "$SCRATCH/out" -w '%{http_code}' -K "$SCRATCH/curl" -X "$1" -H 'Content-Type: application/json' \
        ${4:+-H "$4"} --data "$3" "$2" 2>"$SCRATCH/err") || return 1
    [[ $status == 2?? ]] || {
        { printf 'ERROR: %s ' "$status" && tr -s '\n ' ' ' <"$SCRATCH/out"; } >"$SCRATCH/err"
        return 1
    }
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
