#!/usr/bin/env bash
# The steps of Dockerfile.web and Dockerfile.worker:
#
#   infra/image.sh toolchain           install what every build needs
#   infra/image.sh ffmpeg PREFIX       build FFmpeg's libraries for the worker
#   infra/image.sh tests               install what the unit tests need
#   infra/image.sh test                build and run the unit tests
#   infra/image.sh build PROGRAM       build PROGRAM; /out gets the program and the packages of the libraries it loads
#   infra/image.sh runtime             install only those packages, and remove this script
#   infra/image.sh sbom PROGRAM ROOT   write /out/sbom.spdx.json: what is in the image whose packages are known in ROOT
#
# SNAPSHOT=20260101T000000Z installs every package as it was in the archive at that time (snapshot.debian.org).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=/out
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"

# Puts lists, archives and logs of apt into a temporary directory, so that they are not in the image.
configure_apt() { # TYPE…: deb, deb-src
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch"/{lists,cache,log}/partial
    chmod -R a+rX "$scratch"
    export APT_CONFIG=$scratch/apt.conf
    cat >"$APT_CONFIG" <<APT
Dir::State::lists "$scratch/lists";
Dir::Cache "$scratch/cache";
Dir::Log "$scratch/log";
Dir::Etc::sourcelist "$scratch/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Check-Valid-Until "$([[ -n ${SNAPSHOT:-} ]] && echo false || echo true)";
APT::Sandbox::User "root";
Acquire::Languages "none";
DPkg::Options { "--log=/dev/null"; "--path-exclude=/usr/share/man/*"; "--path-exclude=/usr/share/locale/*";
    "--path-exclude=/usr/share/doc/*"; "--path-include=/usr/share/doc/*/copyright"; };
APT
    write_sources "$@" >"$scratch/sources.list"
}

# write_sources TYPE…: prints the lines of sources.list.
write_sources() {
    local archive=http://deb.debian.org at='' type
    [[ -z ${SNAPSHOT:-} ]] || archive=http://snapshot.debian.org/archive at=/$SNAPSHOT
    for type in "$@"; do
        echo "$type $archive/debian$at bookworm main"
        echo "$type $archive/debian$at bookworm-updates main"
        echo "$type $archive/debian-security$at bookworm-security main"
    done
}

# packages_of PROGRAM: prints the packages of the libraries that the program links; their own dependencies are apt's task.
# Debian registers some paths with /usr and some without.
packages_of() {
    local library path owner
    while read -r library; do
        path=$(ldd "$1" | awk -v name="$library" '$1 == name { print $3 }')
        owner=$(dpkg-query -S "$path" "/usr$path" "${path#/usr}" 2>/dev/null | head -n 1) || :
        [[ -n $owner ]] || die "no package contains $library"
        printf '%s\n' "${owner%%:*}"
    done < <(objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }') | sort -u
}

build() {
    local program=$1
    make -C "$root" --no-print-directory -s -j"$(nproc)" VARIANT=release "build/release/$program"
    mkdir -p "$out"
    install -s "$root/build/release/$program" "$out/$program"
    packages_of "$out/$program" >"$out/packages"
}

runtime() {
    local packages
    mapfile -t packages <"$out/packages"
    configure_apt deb
    install_packages "${packages[@]}" ca-certificates
    # Remove what depends on the time of the build, and what only this step needs.
    rm -rf /var/log/* /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old /var/lib/dpkg/*-old "$root" "$out"
}

case ${1:-} in
    toolchain)
        configure_apt deb
        install_packages "${TOOLCHAIN_PACKAGES[@]}"
        ;;
    ffmpeg)
        configure_apt deb deb-src
        install_packages "${FFMPEG_PACKAGES[@]}"
        "$root/infra/ffmpeg.sh" "$2"
        ;;
    tests)
        configure_apt deb
        install_packages "${RUN_PACKAGES[@]}" "${UNIT_TEST_PACKAGES[@]}"
        ;;
    test) make -C "$root" --no-print-directory -s -j"$(nproc)" VARIANT=release unit ;;
    build) build "$2" ;;
    runtime) runtime ;;
    sbom)
        configure_apt deb
        install_packages "${SBOM_PACKAGES[@]}"
        mkdir -p "$out"
        "$root/infra/sbom.sh" "$2" "$3" "${AV_PREFIX:+"$AV_PREFIX/source.tsv"}" >"$out/sbom.spdx.json"
        ;;
    *) die "usage: infra/image.sh toolchain|ffmpeg PREFIX|tests|test|build PROGRAM|runtime|sbom PROGRAM ROOT" ;;
esac
