#!/usr/bin/env bash
# Prints the software bill of materials of an image, as SPDX 2.3 in JSON: every Debian package in it, and FFmpeg, which is linked
# into the worker and which scanners of packages therefore do not see.
#
#   infra/sbom.sh PROGRAM ROOT [FFMPEG]    ROOT/var/lib/dpkg is the image's; FFMPEG: the file source.tsv of infra/ffmpeg.sh
#
# The same packages make the same document, but for the time: that is SNAPSHOT's, or else now. Needs dpkg-query and jq.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
program=${1:?PROGRAM} image=${2:?ROOT} ffmpeg=${3:-/dev/null}

packages() {
    dpkg-query --admindir="$image/var/lib/dpkg" -W \
        -f='${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' |
        sed -n 's/^installed\t//p'
}

created() {
    local at=${SNAPSHOT:-$(date -u +%Y%m%dT%H%M%SZ)}
    sed -E 's/^(....)(..)(..)T(..)(..)(..)Z$/\1-\2-\3T\4:\5:\6Z/' <<<"$at"
}

found=$(packages)
[[ -n $found ]] || die "$image/var/lib/dpkg knows no installed package"
digest=$({ printf '%s\n' "$found" && cat "$ffmpeg"; } | sha256sum | cut -c 1-32)
jq -n --arg program "$program" --arg version "$(<"$root/VERSION")" --arg created "$(created)" --arg digest "$digest" \
    --arg packages "$found" --rawfile ffmpeg "$ffmpeg" -f "$root/infra/sbom.jq"
