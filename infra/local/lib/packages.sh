# shellcheck shell=bash
# Debian packages: what a build, a run and a test need, and how to install what is missing.

# Of every program; of the worker beside that; of both, and of the tests of both.
# shellcheck disable=SC2034 # read by those who source this
TOOLCHAIN_PACKAGES=(gcc libc6-dev make pkg-config libcivetweb-dev libjansson-dev libjwt-dev libssl-dev
    libcurl4-openssl-dev libpq-dev libseccomp-dev libisal-dev libunistring-dev)
AV_PACKAGES=(libavcodec-dev libavformat-dev libavfilter-dev libavutil-dev libswresample-dev libswscale-dev)
# shellcheck disable=SC2034
BUILD_PACKAGES=("${TOOLCHAIN_PACKAGES[@]}" "${AV_PACKAGES[@]}")
# What makes the libraries of AV_PACKAGES for the worker's image: infra/ffmpeg.sh.
# shellcheck disable=SC2034
FFMPEG_PACKAGES=(dpkg-dev nasm libx264-dev libx265-dev libsvtav1enc-dev libvpx-dev libmp3lame-dev libopus-dev libvorbis-dev libdav1d-dev libzimg-dev zlib1g-dev)
# What writes the list of an image's contents: infra/sbom.sh. JSON is not made by hand.
# shellcheck disable=SC2034
SBOM_PACKAGES=(jq)
# shellcheck disable=SC2034
RUN_PACKAGES=(postgresql curl ca-certificates openssl util-linux)
# shellcheck disable=SC2034
UNIT_TEST_PACKAGES=(libcmocka-dev ffmpeg mold)
# shellcheck disable=SC2034
TEST_PACKAGES=("${UNIT_TEST_PACKAGES[@]}" "${SBOM_PACKAGES[@]}" python3-pytest python3-pytest-xdist python3-requests python3-jsonschema python3-prometheus-client python3-psycopg2 python3-yaml python3-aiosmtpd python3-selenium chromium chromium-driver clang clang-format cppcheck shellcheck procps rclone)
# What measurements are compared with.
# shellcheck disable=SC2034
BENCH_PACKAGES=(nginx-light)
# shellcheck disable=SC2034
FUZZ_PACKAGES=(libcmocka-dev clang libclang-rt-14-dev)
# shellcheck disable=SC2034
IMAGE_PACKAGES=(buildah podman runc debootstrap)

# Prints those of the given packages that are not installed.
missing_packages() {
    local installed
    installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
    local package
    for package in "$@"; do
        [[ $installed == *" installed:$package "* ]] || printf '%s\n' "$package"
    done
}

# What apt-get and dpkg print goes to a file, $install_log of install_packages, and is shown only on failure.
apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" </dev/null >>"$install_log" 2>&1; }

# Installs those of the given packages that are missing; fast, and without root, when none is. MR_INSTALL_LOG=FILE
# keeps the log there.
install_packages() {
    command -v dpkg-query >/dev/null || die "this is not Debian; please install what Debian calls: $*"
    local missing
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    local install_log=${MR_INSTALL_LOG:-}
    if [[ -n $install_log ]]; then
        : >"$install_log"
    else
        install_log=$(mktemp)
    fi
    # Debian's PostgreSQL would create and start a cluster of its own; only the programs are needed.
    local no_cluster=/etc/postgresql-common/createcluster.d/mediarun.conf
    local wants_postgres=0
    [[ " ${missing[*]} " == *" postgresql"* ]] && wants_postgres=1
    if ((wants_postgres)); then
        as_root mkdir -p "${no_cluster%/*}"
        as_root tee "$no_cluster" <<<'create_main_cluster = false' >/dev/null
    fi
    local failed=0 wanted=("${missing[@]}")
    say "updating the package lists"
    apt_get update || failed=1
    say "installing: ${wanted[*]}"
    apt_get -y --no-install-recommends install "${wanted[@]}" || failed=1
    if ((wants_postgres)); then
        as_root rm -f "$no_cluster"
    fi
    mapfile -t missing < <(missing_packages "${wanted[@]}")
    ((failed == 0)) || tail -n 40 "$install_log" >&2
    [[ -n ${MR_INSTALL_LOG:-} ]] || rm -f "$install_log"
    ((${#missing[@]} == 0)) || die "could not install: ${missing[*]}"
    ((failed == 0)) || say "apt-get reported an error, but all packages are installed"
}
