# shellcheck shell=bash
# One deployment at a time: the first change of a run creates a secret without content, which exists at most once; the end of
# the run deletes it. A run that changes nothing needs no lock. Sourced by infra/deploy.sh.

LOCK=mediarun-deploy-lock
LOCK_SECONDS=14400 # Secret Manager deletes it then by itself; no run takes that long
LOCKED=0

lock_holder() { printf '%s@%s' "$(id -un)" "$(hostname)"; }

# started PROCESS: prints when it was started; nothing if there is none. Numbers of processes are used again, sometimes within minutes.
started() { LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _; }

# ended_early HOLDER PROCESS STARTED: true if the run that holds the lock was this user's on this machine, and is no more.
ended_early() {
    [[ $1 == "$(lock_holder)" && $2 =~ ^[0-9]+$ ]] || return 1
    ! kill -0 "$2" 2>/dev/null || [[ -n $3 && $3 != "$(started "$2")" ]]
}

# Removes the lock of a run that ended early; ends the script if it may still be running.
remove_lock() {
    local found etag holder process begun since
    found=$(google "cannot read the lock" secrets list --filter="name~/$LOCK\$" \
        --format='value[separator="|"](etag,annotations.holder,annotations.process,annotations.started,annotations.since)')
    [[ -n $found ]] || return 0 # deleted meanwhile
    IFS='|' read -r etag holder process begun since <<<"$found"
    ((UNLOCK)) || ended_early "$holder" "$process" "$begun" ||
        die "another infra/deploy.sh of $holder has been changing $PROJECT since $since: wait until it ends; if it runs no more, repeat this with --unlock"
    say "removing the lock of a run that ended early ($holder, $since)"
    # With the etag it is that lock, not one that somebody took meanwhile.
    attempt secrets delete "$LOCK" ${etag:+--etag="$etag"} >/dev/null || grep -qE 'NOT_FOUND|404|FAILED_PRECONDITION|ABORTED' "$SCRATCH/$BASHPID.err" ||
        give_up "cannot remove the lock" "$SCRATCH/$BASHPID.err"
}

# Nothing to do before Secret Manager is enabled: enabling APIs, the first step in an empty project, may happen twice.
take_lock() {
    local annotations
    ((!LOCKED)) && is_enabled secretmanager || return 0
    annotations="holder=$(lock_holder),process=$$,started=$(started $$),since=$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    until attempt secrets create "$LOCK" --replication-policy=automatic --labels=app=mediarun --ttl="${LOCK_SECONDS}s" \
        --set-annotations="$annotations" >/dev/null; do
        grep -qE 'ALREADY_EXISTS|409|already exists' "$SCRATCH/$BASHPID.err" || give_up "cannot take the lock" "$SCRATCH/$BASHPID.err"
        remove_lock
        UNLOCK=0
    done
    LOCKED=1
    ((!SETTINGS_READ)) || [[ $(read_settings) == "$STORED" ]] || die "another run changed the settings of $PROJECT meanwhile: run this again"
}

# For the trap at the end of the script.
release_lock() {
    ((LOCKED)) || return 0
    gcloud --project="$PROJECT" --quiet secrets delete "$LOCK" >/dev/null 2>&1 </dev/null ||
        say "note: the lock $LOCK could not be deleted; the next run on this machine removes it, others need --unlock"
}
