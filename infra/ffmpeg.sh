#!/usr/bin/env bash
# Builds FFmpeg's libraries from Debian's source package, with only those components that the worker uses: unused components
# cannot be attacked, and the image is a third of the size that it has with Debian's libraries and their 130 dependencies.
# The lists of components are read from worker/media (inputs.def, formats.c).
#
#   infra/ffmpeg.sh PREFIX     install static libraries and headers in PREFIX, and PREFIX/source.tsv, which names the source for
#                              infra/sbom.sh; needs apt's deb-src lists and FFMPEG_PACKAGES
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
media=$root/worker/media

# The components whose name in configure differs from their name in libav.
declare -A configures=([mpeg]=mpegps [msmpeg4]=msmpeg4v3 [libvpx]=libvpx_vp8 [libvpx-vp9]=libvpx_vp9 [mov_text]=movtext [8bps]=eightbps [3gp]=tgp [shn]=shorten
    [atrac3plus]=atrac3p [atrac3plusal]=atrac3pal [camtasia]=tscc [camstudio]=cscd [g722]=adpcm_g722 [g726]=adpcm_g726
    [g726le]=adpcm_g726le [real_144]=ra_144 [real_288]=ra_288)

# enable KIND: reads "name,name" on standard input and prints --enable-KIND=NAME for each.
enable() {
    local kind=$1 name
    tr ',' '\n' | sort -u | while read -r name; do
        [[ -z $name ]] || printf -- '--enable-%s=%s\n' "$kind" "${configures[$name]:-$name}"
    done
}
# inputs ROW: prints the names in the rows MR_CONTAINER or MR_READS.
inputs() { sed -nE "s/^$1\(([A-Z]+, )?\"[^\"]*\", \"([^\"]*)\".*/\2/p" "$media/inputs.def" | tr '\n' ','; }
# fields NAME: prints the values of the fields `.NAME = "…"` in the table of formats.
fields() { grep -oE "\.($1) = \"[^\"]*\"" "$media/formats.c" | sed -E 's/.*"(.*)"/\1/' | tr '\n' ','; }

components() {
    inputs MR_CONTAINER | enable demuxer
    { inputs MR_READS && echo 'bmp,webp'; } | enable decoder # those of covers, too
    fields muxer | enable muxer
    { fields 'encoder|deep_encoder' && echo 'ass,mjpeg,mov_text,png,subrip,webvtt'; } | enable encoder
    echo 'aformat,alimiter,anull,aresample,pan,volume' | enable filter
    echo 'bwdif,crop,format,fps,hflip,lutrgb,null,overlay,pad,palettegen,paletteuse,scale,setsar,split,tonemap,transpose,vflip,zscale' | enable filter
    echo 'libdav1d,libmp3lame,libopus,libsvtav1,libvorbis,libvpx,libx264,libx265,libzimg,zlib' | tr ',' '\n' | sed 's/^/--enable-/'
}

# configure ignores unknown names, and components whose library is missing, so check the result.
check() {
    local asked name
    for asked in "$@"; do
        [[ $asked == *=* ]] || continue
        name=${asked#*=}_${asked%%=*}
        name=${name/--enable-/}
        grep -q "^#define CONFIG_${name^^} 1\$" config_components.h || die "FFmpeg was configured without $asked"
    done
}

prefix=${1:?usage: infra/ffmpeg.sh PREFIX}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -qq source ffmpeg
cd ffmpeg-*/
mapfile -t components < <(components)
./configure --prefix="$prefix" --enable-gpl --enable-static --disable-shared --enable-pic --disable-debug --disable-everything \
    --disable-autodetect --disable-programs --disable-doc --disable-network --disable-avdevice --disable-postproc \
    --extra-cflags='-fstack-protector-strong -D_FORTIFY_SOURCE=2' --enable-parsers --enable-bsfs "${components[@]}" >/dev/null
check "${components[@]}"
make -s -j"$(nproc)"
make -s install
# The version of the source package, and the part of the archive that has it: bookworm-security, if there was an advisory.
version=$(dpkg-parsechangelog -S Version)
archive=$(apt-cache madison ffmpeg | awk -F ' *[|] *' -v version="$version" '$2 == version && $3 ~ /Sources$/ { split($3, word, " "); print word[2] }' | LC_ALL=C sort | sed -n 1p)
[[ -n $archive ]] || die "no archive has the source of ffmpeg $version"
printf 'ffmpeg\t%s\t%s\n' "$version" "$archive" >"$prefix/source.tsv"
