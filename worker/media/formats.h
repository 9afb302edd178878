/*
 * What libav calls the public formats and codecs (shared/media/formats.h, same names), and what a container can
 * hold beside video and audio. One const table of each. To add a format: a row there and here.
 */
#ifndef MR_WORKER_MEDIA_FORMATS_H
#define MR_WORKER_MEDIA_FORMATS_H

#include "shared/media/options.h"

#include <libavcodec/codec_id.h>
#include <stdbool.h>
#include <stdint.h>

enum mr_cover {
    MR_COVER_NONE,
    MR_COVER_STREAM,     /* an attached picture */
    MR_COVER_COMMENT,    /* a tag */
    MR_COVER_ATTACHMENT, /* a file within the file */
};

/* NATIVE: the muxer writes libav's chapters. COMMENT: as tags CHAPTER001, CHAPTER001NAME. */
enum mr_chapters { MR_CHAPTERS_NONE, MR_CHAPTERS_NATIVE, MR_CHAPTERS_COMMENT };

enum { MR_COPY_CODECS_MAX = 24, MR_PICTURE_CODECS_MAX = 4 }; /* the last one is AV_CODEC_ID_NONE */

struct mr_media_format {
    const char *name;
    const char *muxer;
    const char *muxer_options; /* "key=value:key=value"; NULL: none */
    bool patches;              /* the muxer seeks back to what it has written (sink.h) */
    int64_t max_bytes;         /* what it can write without more of that; 0: any number */

    bool holds_edits;             /* MP4 and its kin: an edit list hides what comes before the first frame */
    bool skips_mp3_delay;         /* its decoders skip their own delay of 529 samples */
    bool index_first;             /* MP4 and MOV: the index is moved before the media (faststart.h) */
    bool constant_rate;           /* AVI, which counts frames: every one lasts as long as the others */
    bool holds_rotation;          /* as a display matrix */
    bool square_pixels;           /* it cannot say that they are not */
    bool tells_colours;           /* it, or its usual codec, says what the numbers of a colour mean */
    bool only_plain_h264;         /* its players expect 8 bits, 4:2:0 */
    bool has_tracks;              /* it holds several tracks of audio */
    enum AVCodecID text_subtitle; /* how it holds subtitles of text; AV_CODEC_ID_NONE: not */
    enum AVCodecID picture_subtitles[MR_PICTURE_CODECS_MAX]; /* that it takes as they are, beside text */

    bool needs_lead_in;       /* decoders drop the first frame: give them one of silence to drop */
    const char *encoder;      /* in the place of the codec's; NULL: that */
    const char *deep_encoder; /* likewise */

    enum AVCodecID copies[MR_COPY_CODECS_MAX]; /* codecs that the container takes as they are */
    const char *copy_filter;                   /* bitstream filter for that; NULL: none */

    const char *const *tags; /* the keys that the muxer can write, NULL-terminated; NULL: any */
    bool has_tags;
    bool has_id3;        /* the tags are of ID3v2 */
    bool tags_on_stream; /* the muxer reads them from the stream, not the container */
    enum mr_cover cover;
    enum mr_chapters chapters;
};

/* How a codec is written. */
struct mr_media_codec {
    const char *name;
    const char *encoder;      /* as libav calls it */
    const char *deep_encoder; /* for sources of more than 16 bits; NULL: the same */
    int64_t bit_rate; /* of audio, for two channels, if the task asks for none; 0: lossless, or by quality */
    int quality;      /* FF_QP2LAMBDA units' factor, used when bit_rate is 0; 0: none */
};

/* NULL if there is no such format. */
const struct mr_media_format *mr_media_format_find(const char *name);

bool mr_media_has_video(const struct mr_media_format *format);
bool mr_media_has_audio(const struct mr_media_format *format);
bool mr_media_has_subtitles(const struct mr_media_format *format);

/* The codec of the output's video or audio, with the limits that it has; NULL if the format cannot hold it. */
const struct mr_codec *mr_media_video_codec(const struct mr_media_format *format,
                                            const struct mr_options *options);
const struct mr_codec *mr_media_audio_codec(const struct mr_media_format *format,
                                            const struct mr_options *options);

/* NULL if there is no such codec. */
const struct mr_media_codec *mr_media_codec_find(const char *name);
/* libav's name of the encoder; is_deep: for a source of more than 16 bits. */
const char *mr_media_encoder(const struct mr_media_format *format, const struct mr_codec *codec,
                             bool is_deep);

#endif
