#!/usr/bin/env bash
# FFmpeg's libraries from Debian's own source package, with what the worker uses and nothing else: what no conversion
# needs is not there to be attacked, and with Debian's 130 libraries around theirs the image was three times as large.
# What the worker may use is read from worker/media.
#
#   infra/ffmpeg.sh PREFIX     static libraries and headers into PREFIX; needs apt's deb-src lists and FFMPEG_PACKAGES
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=infra/local/lib/common.sh
. "$root/infra/local/lib/common.sh"
media=$root/worker/media

# configure's name of a component where it is not the name by which libav finds it.
declare -A configures=([mpeg]=mpegps [msmpeg4]=msmpeg4v3 [libvpx-vp9]=libvpx_vp9 [libvpx]=libvpx_vp8 [mov_text]=movtext)

# Of "name,name" on the standard input: --enable-KIND=NAME for each.
enable() {
    local kind=$1 name
    tr ',' '\n' | sort -u | while read -r name; do
        [[ -z $name ]] || printf -- '--enable-%s=%s\n' "$kind" "${configures[$name]:-$name}"
    done
}
# The text of `static const char NAME[] = "…" "…";`
text_of() { tr -d '\n' <"$media/probe.c" | sed -E "s/.* $1\[\] = *([^;]*);.*/\1/; s/\"[^\"]*\$//" | tr -d '" '; }
# The values of fields `.NAME = "…"` in the table of formats.
fields() { sed -nE "s/^ *\.($1) = \"([^\"]*)\".*/\2/p" "$media/formats.c" | tr '\n' ','; }

components() {
    text_of demuxers | enable demuxer
    # By these libav tells what a stream within MPEG is (set_codec_from_probe_data); as files the worker refuses them.
    echo 'dts,eac3,h264,hevc,loas,m4v,mpegvideo,truehd' | enable demuxer
    text_of decoders | enable decoder
    fields muxer | enable muxer
    { fields 'encoder|deep_encoder|video_encoder' && echo 'libvpx,mjpeg,mov_text,subrip,webvtt'; } | enable encoder
    echo 'aformat,alimiter,anull,aresample,volume' | enable filter
    echo 'bwdif,crop,format,fps,hflip,null,pad,palettegen,paletteuse,scale,setsar,split,tonemap,transpose,vflip,zscale' | enable filter
    echo 'libdav1d,libmp3lame,libopus,libvorbis,libvpx,libx264,libzimg,zlib' | tr ',' '\n' | sed 's/^/--enable-/'
}

# configure passes over a name that it does not know, and over a component whose library is missing.
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
