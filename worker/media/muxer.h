/*
 * One output: muxer and sink, and the packets of up to MR_SLOTS tracks. Packets come as decoders and encoders
 * give them; the muxer wants to know all tracks before the first one, and of several outputs one is written
 * at a time. Until then packets wait here, in a queue with a cap. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_MUXER_H
#define MR_WORKER_MEDIA_MUXER_H

#include "shared/media/options.h"
#include "worker/media/covers.h"
#include "worker/media/ogg_flac.h"
#include "worker/media/sink.h"

#include <libavcodec/bsf.h>

/* The tracks: video, then those of audio, then those of subtitles. */
enum mr_slot {
    MR_SLOT_VIDEO,
    MR_SLOT_AUDIO,
    MR_SLOT_SUBTITLE = MR_SLOT_AUDIO + MR_AUDIOS_MAX,
    MR_SLOTS = MR_SLOT_SUBTITLE + MR_TEXTS_MAX
};

static inline bool mr_slot_is_audio(enum mr_slot slot)
{
    return slot >= MR_SLOT_AUDIO && slot < MR_SLOT_SUBTITLE;
}

/* A track as the output sees it. */
struct mr_muxer_track {
    enum { MR_TRACK_NONE, MR_TRACK_EXPECTED, MR_TRACK_OPEN } state;
    AVCodecParameters *params;
    AVRational packet_base;     /* of the packets given to mr_muxer_write */
    AVBSFContext *copy_filter;  /* NULL: encoded, or nothing to filter */
    const AVStream *source;     /* the input's stream */
    bool is_copied;             /* its packets go into the output as they are */
    bool has_alpha;             /* beside the stream, as VP9 has it */
    AVRational rate;            /* frames per second of video; 0/1: not known */
    uint8_t *mastering, *light; /* of the frames: libav's structs; NULL: they have none; owned */
    size_t mastering_size, light_size;
    AVStream *stream;      /* once begun */
    int64_t last_duration; /* of the last packet, in the stream's time base */
};

struct mr_muxer {
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const struct mr_demuxer *input;
    struct mr_notes *notes; /* NULL but for the first output */
    struct mr_sink sink;
    AVFormatContext *format;
    struct mr_muxer_track tracks[MR_SLOTS];
    struct mr_covers covers;
    json_t *claims; /* the tags that it should have (tags.h); NULL but for the first output */
    AVPacket **queue;
    size_t queued, queue_capacity;
    int64_t queued_bytes;
    int64_t from_us, length_us;      /* the clip of the input that it holds, for its chapters */
    uint8_t flac_info[MR_FLAC_INFO]; /* the finished one, for Ogg; valid once has_flac_info */
    bool has_flac_info;
    bool is_first_in_line; /* it may write */
    bool begun;
};

/* index: the output's number. The sink is opened, nothing written. notes may be NULL. */
MR_MUST_CHECK enum mr_status mr_muxer_open(struct mr_muxer *output, const struct mr_media_format *spec,
                                           const struct mr_options *options, const struct mr_demuxer *input,
                                           const struct mr_sandbox_fds *fds, uint32_t index,
                                           struct mr_notes *notes, struct mr_err *err);
void mr_muxer_close(struct mr_muxer *output);
MR_DEFINE_VALUE_CLEANUP(mr_muxer, mr_muxer_close)

/* True if the container keeps the codec's header apart from the packets. */
bool mr_muxer_has_global_header(const struct mr_muxer *output);

/* Says that there will be such a track: nothing is written before it is open, or given up. */
void mr_muxer_expect(struct mr_muxer *output, enum mr_slot slot);
void mr_muxer_give_up(struct mr_muxer *output, enum mr_slot slot);

/* A track of an encoder's packets, or of a stream's as they are, with time stamps in `base`. The stream of the input is
 * borrowed. */
MR_MUST_CHECK enum mr_status mr_muxer_open_encoded(struct mr_muxer *output, enum mr_slot slot,
                                                   const AVCodecContext *encoder, const AVStream *source,
                                                   struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_muxer_open_copied(struct mr_muxer *output, enum mr_slot slot,
                                                  const AVStream *stream, AVRational base,
                                                  struct mr_err *err);

/* Keeps what an encoded track's first frame says of its light. */
MR_MUST_CHECK enum mr_status mr_muxer_set_light(struct mr_muxer *output, enum mr_slot slot,
                                                const AVFrame *frame, struct mr_err *err);

/* Takes the packet's data over; NULL: the end of a copied track. "resource_limit" when too much waits. */
MR_MUST_CHECK enum mr_status mr_muxer_write(struct mr_muxer *output, enum mr_slot slot, AVPacket *packet,
                                            struct mr_err *err);
/* It is this output's turn to be written. */
MR_MUST_CHECK enum mr_status mr_muxer_go(struct mr_muxer *output, struct mr_err *err);
/* Trailer, head, and every write that had failed. */
MR_MUST_CHECK enum mr_status mr_muxer_finish(struct mr_muxer *output, struct mr_err *err);

#endif
