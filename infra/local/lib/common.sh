# shellcheck shell=bash
# Functions that all scripts share. Sourced, never run.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# Runs a command as root, by sudo if necessary.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root or sudo is needed for: $*"
    fi
}

# True if a program listens on that port of this machine.
port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# True if $1 is a whole number from $2 to $3.
is_number() { [[ $1 =~ ^[0-9]{1,9}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3)); }

# http_status URL: prints the status of a GET, 000 without a response.
http_status() { curl -s -o /dev/null -m 5 -w '%{http_code}' "$1" || true; }

# wait_until SECONDS COMMAND…: true as soon as the command succeeds, false after that time.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
