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
    "title",    "artist",      "album_artist",     "composer",     "album",    "date",
    "comment",  "genre",       "copyright",        "grouping",     "lyrics",   "description",
    "synopsis", "show",        "episode_id",       "network",      "keywords", "track",
    "disc",     "compilation", "gapless_playback", "tmpo",         "location", "creation_time",
    "hd_video", "media_type",  "season_number",    "episode_sort", NULL,
};

/* The user data that libavformat writes into a QuickTime file (movenc.c, mov_write_udta_tag). */
static const char *const mov_tags[] = {
    "title",     "artist", "author", "album",    "date",     "comment",       "genre",
    "copyright", "make",   "model",  "location", "keywords", "creation_time", NULL,
};

static const struct mr_media_format formats[] = {
    {
        .name = "mp3",
        .muxer = "mp3",
        .skips_mp3_delay = true,
        .muxer_options = "id3v2_version=4:write_xing=1",
        .patches = true,
        .copies = {AV_CODEC_ID_MP3},
        .has_tags = true,
        .has_id3 = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "aac",
        .muxer = "adts",
        .muxer_options = "write_id3v2=1",
        .copies = {AV_CODEC_ID_AAC},
        .has_tags = true,
        .has_id3 = true,
    },
    {
        .name = "m4a",
        .muxer = "ipod",
        .holds_edits = true,
        .patches = true,
        .copies = {AV_CODEC_ID_AAC, AV_CODEC_ID_ALAC},
        .copy_filter = "aac_adtstoasc",
        .tags = m4a_tags,
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "m4b",
        .muxer = "ipod",
        .holds_edits = true,
        .muxer_options = "brand=M4B\\ ",
        .patches = true,
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
        .copies = {AV_CODEC_ID_VORBIS},
        .has_tags = true,
        .tags_on_stream = true,
        .cover = MR_COVER_COMMENT,
        .chapters = MR_CHAPTERS_COMMENT,
    },
    {
        .name = "opus",
        .muxer = "opus",
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
        .name = "aiff",
        .muxer = "aiff",
        .muxer_options = "write_id3v2=1",
        .patches = true,
        .max_bytes = UINT32_MAX - (64 << 20), /* its sizes have 32 bits; the tags follow */
        .encoder = "pcm_s16be",
        .deep_encoder = "pcm_s24be",
        .copies = {AV_CODEC_ID_PCM_S16BE, AV_CODEC_ID_PCM_S24BE},
        .has_tags = true,
        .cover = MR_COVER_STREAM,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "caf",
        .muxer = "caf",
        .patches = true,
        .copies = {AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE, AV_CODEC_ID_PCM_S16BE,
                   AV_CODEC_ID_PCM_S24BE},
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
        .copies = {AV_CODEC_ID_WMAV1, AV_CODEC_ID_WMAV2, AV_CODEC_ID_WMAPRO, AV_CODEC_ID_WMALOSSLESS},
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "ac3",
        .muxer = "ac3",
        .copies = {AV_CODEC_ID_AC3},
    },
    {
        .name = "eac3",
        .muxer = "eac3",
        .copies = {AV_CODEC_ID_EAC3},
    },
    {
        .name = "mka",
        .muxer = "matroska",
        .patches = true,
        .copies = {AV_CODEC_ID_AAC, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS,
                   AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS, AV_CODEC_ID_FLAC, AV_CODEC_ID_ALAC,
                   AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE},
        .copy_filter = "aac_adtstoasc",
        .has_tags = true,
        .cover = MR_COVER_ATTACHMENT,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "mp4",
        .muxer = "mp4",
        .holds_edits = true,
        .patches = true,
        .has_tracks = true,
        .index_first = true,
        .tells_colours = true,
        .holds_rotation = true,
        .only_plain_h264 = true,
        .text_subtitle = AV_CODEC_ID_MOV_TEXT,
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
        .holds_edits = true,
        .patches = true,
        .has_tracks = true,
        .index_first = true,
        .tells_colours = true,
        .holds_rotation = true,
        .only_plain_h264 = true,
        .text_subtitle = AV_CODEC_ID_MOV_TEXT,
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
        .has_tracks = true,
        .tells_colours = true,
        .text_subtitle = AV_CODEC_ID_SUBRIP,
        .picture_subtitles = {AV_CODEC_ID_DVD_SUBTITLE, AV_CODEC_ID_HDMV_PGS_SUBTITLE,
                              AV_CODEC_ID_DVB_SUBTITLE},
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1,
                   AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_AAC, AV_CODEC_ID_MP3, AV_CODEC_ID_AC3,
                   AV_CODEC_ID_EAC3, AV_CODEC_ID_DTS, AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS, AV_CODEC_ID_FLAC,
                   AV_CODEC_ID_ALAC, AV_CODEC_ID_PCM_S16LE, AV_CODEC_ID_PCM_S24LE},
        .copy_filter = "aac_adtstoasc",
        .has_tags = true,
        .cover = MR_COVER_ATTACHMENT,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "webm",
        .muxer = "webm",
        .patches = true,
        .has_tracks = true,
        .tells_colours = true,
        .text_subtitle = AV_CODEC_ID_WEBVTT,
        .copies = {AV_CODEC_ID_VP8, AV_CODEC_ID_VP9, AV_CODEC_ID_AV1, AV_CODEC_ID_OPUS, AV_CODEC_ID_VORBIS},
        .has_tags = true,
        .chapters = MR_CHAPTERS_NATIVE,
    },
    {
        .name = "avi",
        .muxer = "avi",
        .patches = true,
        .has_tracks = true,
        .max_bytes =
            1 << 30, /* then it begins a second RIFF chunk, whose size it would patch in the middle */
        .constant_rate = true,
        .copies = {AV_CODEC_ID_MP3},
        .tags = wav_tags,
        .has_tags = true,
    },
    {
        .name = "mpegts",
        .muxer = "mpegts",
        .has_tracks = true,
        .tells_colours = true,
        .picture_subtitles = {AV_CODEC_ID_DVB_SUBTITLE},
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_AAC,
                   AV_CODEC_ID_MP3, AV_CODEC_ID_AC3, AV_CODEC_ID_EAC3},
    },
    {
        .name = "3gp",
        .muxer = "3gp", /* its tags are others, which libav does not read */
        .holds_edits = true,
        .patches = true,
        .index_first = true,
        .tells_colours = true,
        .holds_rotation = true,
        .only_plain_h264 = true,
        .text_subtitle = AV_CODEC_ID_MOV_TEXT,
        .copies = {AV_CODEC_ID_H264, AV_CODEC_ID_H263, AV_CODEC_ID_AAC, AV_CODEC_ID_AMR_NB,
                   AV_CODEC_ID_AMR_WB},
        .copy_filter = "aac_adtstoasc",
    },
    {
        .name = "gif",
        .muxer = "gif",
        .copies = {AV_CODEC_ID_GIF},
        .square_pixels = true,
    },
};

/* infra/ffmpeg.sh reads the encoders from these lines and the formats, and the muxers above. */
static const struct mr_media_codec codecs[] = {
    {.name = "h264", .encoder = "libx264"},
    {.name = "hevc", .encoder = "libx265"},
    {.name = "av1", .encoder = "libsvtav1"},
    {.name = "vp9", .encoder = "libvpx-vp9"},
    {.name = "mpeg4", .encoder = "mpeg4"},
    {.name = "gif", .encoder = "gif"},
    {.name = "mp3", .encoder = "libmp3lame", .bit_rate = 192000},
    {.name = "aac", .encoder = "aac", .bit_rate = 160000},
    {.name = "vorbis", .encoder = "libvorbis", .quality = 5},
    {.name = "opus", .encoder = "libopus", .bit_rate = 128000},
    {.name = "flac", .encoder = "flac"},
    {.name = "alac", .encoder = "alac"},
    {.name = "ac3", .encoder = "ac3", .bit_rate = 192000},
    {.name = "eac3", .encoder = "eac3", .bit_rate = 192000},
    {.name = "pcm", .encoder = "pcm_s16le", .deep_encoder = "pcm_s24le"},
    {.name = "wma", .encoder = "wmav2", .bit_rate = 160000},
};

const struct mr_media_format *mr_media_format_find(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

const struct mr_media_codec *mr_media_codec_find(const char *name)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codecs[i].name, name) == 0)
            return &codecs[i];
    return NULL;
}

const char *mr_media_encoder(const struct mr_media_format *format, const struct mr_codec *codec, bool is_deep)
{
    const struct mr_media_codec *own = mr_media_codec_find(codec->name);
    const char *usual = format->encoder ? format->encoder : own ? own->encoder : NULL;
    const char *deep = format->deep_encoder ? format->deep_encoder : own ? own->deep_encoder : NULL;
    return is_deep && deep ? deep : usual;
}

bool mr_media_has_video(const struct mr_media_format *format)
{
    return mr_format_find(format->name)->media_class == MR_MEDIA_VIDEO;
}

bool mr_media_has_audio(const struct mr_media_format *format)
{
    return mr_format_audio_codec(mr_format_find(format->name), NULL) != NULL;
}

bool mr_media_has_subtitles(const struct mr_media_format *format)
{
    return format->text_subtitle != AV_CODEC_ID_NONE || format->picture_subtitles[0] != AV_CODEC_ID_NONE;
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
