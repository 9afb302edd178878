#!/usr/bin/env bash
# Builds both images without Docker, looks into them, and converts files through the two containers
# (test_images.py). The Debian image below them is made from Debian's packages, once, and kept with all layers
# in build/images; rm -rf build/images starts from nothing.
#
#   IMAGES=build/images tests/deploy/images.sh [PYTEST-ARGUMENT…]
#
# Skipped, with the reason, where containers cannot be made.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
# shellcheck source=infra/local/lib/packages.sh
. "$root/infra/local/lib/packages.sh"

base=docker.io/library/debian:bookworm-slim
images=${IMAGES:-$root/build/images}

skip() {
    echo "skip  images: $*"
    exit 0
}

# try_store OPTION…: whether an image can be made there.
try_store() {
    local container
    container=$(buildah "$@" from scratch) && buildah "$@" commit -q --rm "$container" probe && buildah "$@" rmi probe
}

# Prints the storage driver that works here: overlay is quick, vfs works nearly everywhere.
find_driver() {
    local driver
    for driver in overlay vfs; do
        if try_store --storage-driver "$driver" --root "$images/$driver" --runroot "$images/run" >"$images/probe.log" 2>&1; then
            echo "$driver"
            return
        fi
    done
}

# The clock of a test machine may lie: the date of an archive's Release file shall not stop apt.
make_base() {
    local archive=${MIRROR:-http://deb.debian.org} tree=$images/base container
    rm -rf "$tree"
    debootstrap --variant=minbase bookworm "$tree" "$archive/debian" || {
        echo "debootstrap failed"
        return 1
    }
    printf 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n' >"$tree/etc/apt/apt.conf.d/99no-date"
    echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/docker-apt-speedup" # as in Docker's image of Debian
    rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale}/*
    container=$("${buildah[@]}" from scratch) &&
        "${buildah[@]}" add -q "$container" "$tree" / &&
        "${buildah[@]}" config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container" &&
        "${buildah[@]}" commit -q --timestamp 0 --rm "$container" "$base" &&
        rm -rf "$tree"
}

# timed NAME COMMAND…: shows the command's output only when it fails.
timed() {
    local name=$1 begin=$SECONDS
    shift
    "$@" >"$images/$name.log" 2>&1 || {
        tail -n 40 "$images/$name.log"
        die "$name failed; all of it is in $images/$name.log"
    }
    printf 'ok    %-14s %4d s\n' "$name" $((SECONDS - begin))
}

# Skips unless a container can be built in and run here; the reason is the tool's last line.
try_containers() {
    local container said
    container=$("${buildah[@]}" from --pull-never "$base")
    said=$("${buildah[@]}" run --isolation chroot "$container" -- true 2>&1) || skip "buildah cannot run a command: ${said##*$'\n'}"
    "${buildah[@]}" rm "$container" >/dev/null
    said=$(podman --runtime runc --cgroup-manager cgroupfs "${store[@]}" run --rm --network host \
        --ulimit nofile=20000:20000 --ulimit nproc=4096:4096 --read-only "$base" true 2>&1) ||
        skip "podman cannot run a container: ${said##*$'\n'}"
}

# build_image DOCKERFILE TAG [OPTION…]
build_image() {
    "${buildah[@]}" bud --isolation chroot --network host --pull-never --layers --format docker --timestamp 0 \
        --build-arg REVISION=0000000 -f "Dockerfile.$1" -t "mediarun-$2:test" "${@:3}" .
}

main() {
    ((EUID == 0)) || skip "they are built as root here, by chroot"
    install_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}" "${IMAGE_PACKAGES[@]}"
    mkdir -p "$images"
    local driver
    driver=$(find_driver)
    [[ -n $driver ]] || skip "buildah cannot make an image: $(tail -n 1 "$images/probe.log")"
    store=(--storage-driver "$driver" --root "$images/$driver" --runroot "$images/run")
    buildah=(buildah "${store[@]}")
    cd "$root"
    "${buildah[@]}" inspect --type image "$base" >/dev/null 2>&1 || timed base make_base
    try_containers
    timed toolchain build_image worker toolchain --target ffmpeg # its name keeps it, as in cloudbuild.yaml
    timed web build_image web web
    timed worker build_image worker worker
    "${buildah[@]}" rmi --prune >/dev/null 2>&1 || true # the layers of former builds
    timed programs make --no-print-directory -s -j"$(nproc)" VARIANT=release ${BUILD:+"BUILD=$BUILD"} programs
    IMAGE_STORE="${store[*]}" IMAGE_SCRATCH=$images exec /usr/bin/python3 -B -m pytest -q -s -c tests/e2e/pytest.ini --rootdir . \
        -p no:cacheprovider "$@" tests/deploy/test_images.py
}
main "$@"
