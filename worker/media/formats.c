#include "worker/media/formats.h"

#include <stddef.h>
#include <string.h>

/* RIFF INFO chunks that libavformat maps (riff.c, ff_riff_info_conv). */
static const char *const wav_tags[] = {
    "artist", "comment", "copyright", "date",       "genre", "language",
    "title",  "album",   "track",     "encoded_by", NULL,
};

/* iTunes atoms that libavformat writes (movenc.c, mov_write_ilst_tag). */
static const char *const m4a_tags[] = {
    "title",    "artist",      "album_artist",     "composer", "album",    "date",
    "comment",  "genre",       "copyright",        "grouping", "lyrics",   "description",
    "synopsis", "show",        "episode_id",       "network",  "keywords", "track",
    "disc",     "compilation", "gapless_playback", NULL,
};

static const struct mr_media_format formats[] = {
    {
        .name = "mp3",
        .muxer = "mp3",
        .muxer_options = "id3v2_version=4:write_xing=1",
        .patches = true,
        .encoder = "libmp3lame",
        .bit_rate = 192000,
        .max_channels = 2,
        .copies = {AV_CODEC_ID_MP3},
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "aac",
        .muxer = "adts",
        .muxer_options = "write_id3v2=1",
        .encoder = "aac",
        .bit_rate = 160000,
        .max_channels = 6,
        .copies = {AV_CODEC_ID_AAC},
        .has_tags = true,
    },
    {
        .name = "m4a",
        .muxer = "ipod",
        .patches = true,
        .encoder = "aac",
        .bit_rate = 160000,
        .max_channels = 6,
        .copies = {AV_CODEC_ID_AAC, AV_CODEC_ID_ALAC},
        .copy_filter = "aac_adtstoasc",
        .tags = m4a_tags,
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "ogg",
        .muxer = "ogg",
        .encoder = "libvorbis",
        .quality = 5,
        .max_channels = 8,
        .copies = {AV_CODEC_ID_VORBIS},
        .has_tags = true,
        .tags_on_stream = true,
        .cover = MR_COVER_COMMENT,
        .chapters = MR_CHAPTERS_COMMENT,
    },
    {
        .name = "opus",
        .muxer = "opus",
        .encoder = "libopus",
        .bit_rate = 128000,
        .max_channels = 8,
        .one_rate = 48000,
        .copies = {AV_CODEC_ID_OPUS},
        .has_tags = true,
        .tags_on_stream = true,
        .cover = MR_COVER_COMMENT,
        .chapters = MR_CHAPTERS_COMMENT,
    },
    {
        .name = "wav",
        .muxer = "wav",
        .muxer_options = "rf64=auto",
        .patches = true,
        .encoder = "pcm_s16le",
        .deep_encoder = "pcm_s24le",
        .max_channels = 16,
        .copies = {AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE},
        .tags = wav_tags,
        .has_tags = true,
    },
    {
        .name = "flac",
        .muxer = "flac",
        .patches = true,
        .encoder = "flac",
        .max_channels = 8,
        .max_rate = 192000,
        .copies = {AV_CODEC_ID_FLAC},
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_COMMENT,
    },
    {
        .name = "wma",
        .muxer = "asf",
        .muxer_options = "avoid_negative_ts=disabled", /* the preroll has room for the lead-in */
        .patches = true,
        .encoder = "wmav2",
        .needs_lead_in = true,
        .bit_rate = 160000,
        .max_channels = 2,
        .max_rate = 48000,
        .copies = {AV_CODEC_ID_WMAV1, AV_CODEC_ID_WMAV2, AV_CODEC_ID_WMAPRO, AV_CODEC_ID_WMALOSSLESS},
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
};

const struct mr_media_format *mr_media_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
