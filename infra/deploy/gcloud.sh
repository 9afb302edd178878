# shellcheck shell=bash
# Calls of gcloud: what reads, what changes, and one clear line when a call fails. Sourced by infra/deploy.sh.
#
# Reads: PROJECT DRY_RUN SCRATCH (a private directory). Counts in CHANGES.

CHANGES=0

# What was tried and what Google says → what helps: the first pattern that fits. A person reads the line.
HINTS=(
    'billing~link a billing account: gcloud billing projects link PROJECT --billing-account=…'
    'PERMISSION_DENIED|does not have permission|403~ask an owner of the project for the right, then run this again'
    'buckets create.*(ALREADY_EXISTS|409)~a name may be taken by anybody in the world: choose another with --bucket'
    'instances create.*409~the name of a deleted instance is taken for a week: choose another SQL_INSTANCE in infra/deploy/settings.sh'
    'ALREADY_EXISTS|409~somebody else has made it, or is at work on it; run this again'
    'RESOURCE_EXHAUSTED|[Qq]uota|429~a quota is used up; wait a minute, or raise it, then run this again'
    'INTERNAL|UNAVAILABLE|50[0-9]~a fault at Google; run this again, it goes on where it stopped'
    '~run this again when it is mended, it goes on where it stopped'
)
# What passes by itself: a new account or service is not known everywhere at once.
SETTLING='SERVICE_DISABLED|has not been used in project|Service account [^ ]* does not exist|IAM_SERVICE_ACCOUNT_DOES_NOT_EXIST|Cannot find metric'
SETTLE_TRIES=12
SETTLE_SECONDS=10

# complaint FILE: of what gcloud wrote there, the error, as one line.
complaint() {
    local said
    said=$(sed -n '/^ERROR:/,$p' "$1")
    [[ -n $said ]] || said=$(<"$1")
    said=$(tr -s '\n ' ' ' <<<"$said")
    printf '%.400s' "${said% }"
}

# give_up WHAT FILE: the end of the script, in one line; FILE holds what gcloud said.
give_up() {
    local entry said
    said=$(complaint "$2")
    for entry in "${HINTS[@]}"; do
        [[ ! "$1 $said" =~ ${entry%%~*} ]] || die "$1: $said — ${entry#*~}"
    done
}

# google WHAT ARGUMENT…: gcloud's output; ends the script when it fails, after patience with what is settling.
google() {
    local what=$1 tries=0 said=$SCRATCH/$BASHPID
    shift
    until gcloud --project="$PROJECT" --quiet "$@" >"$said.out" 2>"$said.err" </dev/null; do
        if ((tries++ >= SETTLE_TRIES)) || ! grep -qE "$SETTLING" "$said.err"; then
            give_up "$what" "$said.err"
        fi
        say "  not known everywhere yet, waiting: $what"
        sleep "$SETTLE_SECONDS"
    done
    cat "$said.out"
}

# ask API ARGUMENT…: the output of a command that only reads. While the API is off there is nothing to be read (only
# --dry-run comes here before the API is on).
ask() {
    local api=$1
    shift
    if has_line "$ENABLED_APIS" "$api.googleapis.com"; then
        google "cannot read: gcloud $*" "$@"
    fi
}

# change ARGUMENT…: a command that changes something: shown, and carried out unless this is a dry run.
change() {
    CHANGES=$((CHANGES + 1))
    printf '+ gcloud --project=%s%s\n' "$PROJECT" "$(printf ' %q' "$@")" >&2
    ((DRY_RUN)) || google "failed: gcloud $1 $2 ${3:-}" "$@" >/dev/null
}

# has_line TEXT LINE: true if one of the lines is exactly that.
has_line() { grep -qxF -- "$2" <<<"$1"; }

# field_of TEXT KEY: of lines "KEY<tab>VALUE", the value.
field_of() { awk -F '\t' -v key="$2" '$1 == key { print $2; exit }' <<<"$1"; }

# settings_of TEXT…: a short mark of settings, kept as a label of what was made with them; another mark, other settings.
settings_of() { printf '%s\0' "$@" | sha256sum | cut -c 1-16; }

# in_place MARK WANTED: true if the settings are those wanted and may stay as they are (--force applies all anew).
in_place() { [[ $1 == "$2" ]] && ((!FORCE)); }

# render FILE: the file with each ${NAME} of PLACEHOLDERS filled in.
render() {
    local text name
    text=$(<"$1")
    for name in "${PLACEHOLDERS[@]}"; do
        text=${text//"\${$name}"/${!name}}
    done
    printf '%s\n' "$text"
}

# rest METHOD URL JSON: a call that gcloud has no command for; the token goes by a file, not by argv.
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

# api_url NAME VERSION_AND_PATH: gcloud's own override counts here, too.
api_url() {
    local override=CLOUDSDK_API_ENDPOINT_OVERRIDES_${1^^}
    printf '%s%s' "${!override:-https://$1.googleapis.com/}" "$2"
}

# note KIND TEXT: remembers that the resources which the lines begin with are there.
note() {
    local name
    while read -r name _; do
        [[ -z $name ]] || KNOWN+="$1 $name"$'\n'
    done <<<"$2"
}
