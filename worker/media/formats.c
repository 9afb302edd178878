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

/* The user data that libavformat writes into a QuickTime file (movenc.c, mov_write_udta_tag). */
static const char *const mov_tags[] = {
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", NULL,
};

static const struct mr_media_format formats[] = {
    {
        .name = "mp3",
        .muxer = "mp3",
        .muxer_options = "id3v2_version=4:write_xing=1",
        .patches = true,
        .bit_rate = 192000,
        .copies = {AV_CODEC_ID_MP3},
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "aac",
        .muxer = "adts",
        .muxer_options = "write_id3v2=1",
        .bit_rate = 160000,
        .copies = {AV_CODEC_ID_AAC},
        .has_tags = true,
    },
    {
        .name = "m4a",
        .muxer = "ipod",
        .patches = true,
        .bit_rate = 160000,
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
        .quality = 5,
        .copies = {AV_CODEC_ID_VORBIS},
        .has_tags = true,
        .tags_on_stream = true,
        .cover = MR_COVER_COMMENT,
        .chapters = MR_CHAPTERS_COMMENT,
    },
    {
        .name = "opus",
        .muxer = "opus",
        .bit_rate = 128000,
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
        .copies = {AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE},
        .tags = wav_tags,
        .has_tags = true,
    },
    {
        .name = "flac",
        .muxer = "flac",
        .patches = true,
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
        .needs_lead_in = true,
        .bit_rate = 160000,
        .copies = {AV_CODEC_ID_WMAV1, AV_CODEC_ID_WMAV2, AV_CODEC_ID_WMAPRO, AV_CODEC_ID_WMALOSSLESS},
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "mp4",
        .muxer = "mp4",
        .patches = true,
        .index_first = true,
        .tells_colours = true,
        .holds_rotation = true,
        .only_plain_h264 = true,
        .text_subtitle = AV_CODEC_ID_MOV_TEXT,
        .bit_rate = 160000,
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_AAC},
        .copy_filter = "aac_adtstoasc",
        .tags = m4a_tags,
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "mov",
        .muxer = "mov",
        .patches = true,
        .index_first = true,
        .tells_colours = true,
        .holds_rotation = true,
        .only_plain_h264 = true,
        .text_subtitle = AV_CODEC_ID_MOV_TEXT,
        .bit_rate = 160000,
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_PRORES, AV_CODEC_ID_AAC, AV_CODEC_ID_ALAC},
        .copy_filter = "aac_adtstoasc",
        .tags = mov_tags,
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "mkv",
        .muxer = "matroska",
        .patches = true,
        .tells_colours = true,
        .text_subtitle = AV_CODEC_ID_SUBRIP,
        .bit_rate = 160000,
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1,
                   AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_AAC, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3,
                   AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS, AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS, AV_CODEC_ID_FLAC,
                   AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE},
        .copy_filter = "aac_adtstoasc",
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "webm",
        .muxer = "webm",
        .patches = true,
        .tells_colours = true,
        .text_subtitle = AV_CODEC_ID_WEBVTT,
        .bit_rate = 128000,
        .copies = {AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1, AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS},
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "avi",
        .muxer = "avi",
        .patches = true,
        .max_bytes =
            1 << 30, /* then it begins a second RIFF chunk, whose size it would patch in the middle */
        .constant_rate = true,
        .bit_rate = 192000,
        .copies = {AV_CODEC_ID_MP3},
        .tags = wav_tags,
        .has_tags = true,
    },
    {
        .name = "gif",
        .muxer = "gif",
        .square_pixels = true,
    },
};

/* The encoders of codecs (shared/media/formats.h). infra/ffmpeg.sh reads these lines, and the muxers above. */
static const struct {
    const char *codec;
    const char *encoder;
    const char *deep_encoder; /* for sources of more than 16 bits; NULL: the same */
} encoders[] = {
    {
        .codec = "h264",
        .encoder = "libx264",
    },
    {
        .codec = "vp9",
        .encoder = "libvpx-vp9",
    },
    {
        .codec = "mpeg4",
        .encoder = "mpeg4",
    },
    {
        .codec = "gif",
        .encoder = "gif",
    },
    {
        .codec = "mp3",
        .encoder = "libmp3lame",
    },
    {
        .codec = "aac",
        .encoder = "aac",
    },
    {
        .codec = "vorbis",
        .encoder = "libvorbis",
    },
    {
        .codec = "opus",
        .encoder = "libopus",
    },
    {
        .codec = "flac",
        .encoder = "flac",
    },
    {
        .codec = "pcm",
        .encoder = "pcm_s16le",
        .deep_encoder = "pcm_s24le",
    },
    {
        .codec = "wma",
        .encoder = "wmav2",
    },
};

const struct mr_media_format *mr_media_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const char *mr_media_encoder(const struct mr_codec *codec, bool is_deep)
{
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++)
        if (strcmp(encoders[i].codec, codec->name) == 0)
            return is_deep && encoders[i].deep_encoder ? encoders[i].deep_encoder : encoders[i].encoder;
    return NULL;
}

bool mr_media_has_video(const struct mr_media_format *format)
{
    return mr_format_find(format->name)->media_class == MR_MEDIA_VIDEO;
}

bool mr_media_has_audio(const struct mr_media_format *format)
{
    return mr_format_audio_codec(mr_format_find(format->name), NULL) != NULL;
}

const struct mr_codec *mr_media_video_codec(const struct mr_media_format *format,
                                            const struct mr_options *options)
{
    return mr_format_codec(mr_format_find(format->name), options->codec);
}

const struct mr_codec *mr_media_audio_codec(const struct mr_media_format *format,
                                            const struct mr_options *options)
{
    return mr_format_audio_codec(mr_format_find(format->name), options->codec);
}
