/*
 * The input: which container and codec the bytes are, the streams to convert, their decoders, and what the
 * container declares of their length. Only demuxers and decoders of a fixed list read the bytes, and none
 * that opens a second file. Used by the child's only thread.
 */
#ifndef MR_WORKER_MEDIA_DEMUXER_H
#define MR_WORKER_MEDIA_DEMUXER_H

#include "shared/base/json.h"
#include "worker/media/av.h"
#include "worker/media/source.h"

/* How many streams a file may have, and how many of them become tracks of the result. */
enum { MR_STREAMS_MAX = 64, MR_AUDIOS_MAX = 16, MR_TEXTS_MAX = 32 };

/* What becomes of a stream that is wanted in general. */
enum mr_fate {
    MR_FATE_NONE, /* nobody has asked for its kind */
    MR_FATE_TAKEN,
    MR_FATE_NO_DECODER,
    MR_FATE_NO_DATA,
    MR_FATE_LANGUAGE,
    MR_FATE_NOT_FIRST,
    MR_FATE_TOO_MANY,
    MR_FATE_OTHER_PROGRAM,
    MR_FATE_BITMAP,
    MR_FATE_TEXT,
};

/* A stream of audio or text that is taken. */
struct mr_input_track {
    AVStream *stream;
    AVCodecContext *decoder; /* NULL: of subtitles that are pictures, which are copied */
    int64_t declared_us;     /* the length that the container states for it; -1: none */
};

struct mr_demuxer {
    struct mr_source *source; /* not owned */
    AVFormatContext *format;
    AVStream *audio; /* the main one of the next; NULL: none, or none wanted; so is the video */
    struct mr_input_track audios[MR_AUDIOS_MAX]; /* in the order of the file, as the texts */
    size_t audio_count;
    struct mr_input_track texts[MR_TEXTS_MAX];
    size_t text_count;
    AVStream *video;
    AVCodecContext *video_decoder;
    AVPacket *held;       /* of FLAC without a container: see mr_demuxer_read; else NULL; owned */
    int64_t joined_bytes; /* of a second file behind this one, which is left out (joined.h) */
    bool states_size;     /* the container states how many bytes it has */
    enum mr_fate fates[MR_STREAMS_MAX]; /* of each stream of the file */
    /* that the container announces beyond the file's end (file_end.h); few, or it is refused */
    int64_t missing_bytes;
    /* The length that the container states, not one guessed from a bit rate; -1: none. */
    int64_t video_declared_us;
    int64_t stated_us;    /* what the container states, though it may be no proof; -1: nothing */
    int64_t estimated_us; /* the best guess, for progress; -1: none */
    int64_t start_us;     /* the earliest time stamp of the chosen streams */
};

/* What a conversion needs of its input. */
enum mr_want {
    MR_WANT_NOTHING = 0,      /* but to know what it is: no decoder is opened */
    MR_WANT_AUDIO = 1,        /* without audio the file is of no use */
    MR_WANT_VIDEO = 2,        /* without video it is of no use */
    MR_WANT_AUDIO_IF_ANY = 4, /* audio goes along */
    MR_WANT_TEXT_IF_ANY = 8   /* subtitles go along */
};

struct mr_selection {
    unsigned wants;    /* bits of enum mr_want */
    size_t audios_max; /* tracks of audio that the target holds; 0: one */
    const char *audio; /* options.audio and options.subtitles; NULL: not given */
    const char *text;
    bool has_text; /* the target holds subtitles of text */
    const enum AVCodecID
        *pictures; /* codecs of subtitles of pictures that the target holds, AV_CODEC_ID_NONE at
                                       the end; NULL: none */
};

/*
 * Opens the input. name is its file name, a hint, or NULL; a video of more than max_pixels (0: what fits into the
 * sandbox) is refused. Attached pictures are no video. Codes: those of mr_container_open, truncated (the container
 * says that the file should go on), no_audio, no_video, bad_option (no track of that language), unsupported_codec,
 * resource_limit.
 */
MR_MUST_CHECK enum mr_status mr_demuxer_open(struct mr_demuxer *input, struct mr_source *source,
                                             const char *name, const struct mr_selection *selection,
                                             int64_t max_pixels, struct mr_err *err);
void mr_demuxer_close(struct mr_demuxer *input);
MR_DEFINE_VALUE_CLEANUP(mr_demuxer, mr_demuxer_close)

/* The next packet, as av_read_frame has it. What libav's parser of FLAC first gives with too much, and then again where a
 * file was joined to another, comes once. */
MR_MUST_CHECK int mr_demuxer_read(struct mr_demuxer *input, AVPacket *packet);

/* The container's short name, e.g. "mov". */
void mr_demuxer_container(const struct mr_demuxer *input, char *out, size_t size);

/* An MPEG transport or program stream: its clock may jump, and it states no length. */
bool mr_demuxer_is_mpeg(const struct mr_demuxer *input);

/* One stream, as samples or nearly so, with its length in the header: WAV and its kin. */
bool mr_demuxer_is_raw(const struct mr_demuxer *input);

/* The display matrix of the video (9 numbers), or NULL. */
const int32_t *mr_demuxer_display_matrix(const struct mr_demuxer *input);

/* False if players turn or mirror the video. */
bool mr_demuxer_is_upright(const struct mr_demuxer *input);

#endif
