/*
 * The outputs of a clip that may be split into parts (timeline.h). Tracks walk along the clip at their own pace:
 * one may be in the next part while another is still in the one before. The first part that some track has not
 * left is written; later ones wait (muxer.h). Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_PARTS_H
#define MR_WORKER_MEDIA_PARTS_H

#include "worker/media/audio_unit.h"
#include "worker/media/muxer.h"
#include "worker/media/packets.h"
#include "worker/media/timeline.h"
#include "worker/media/work.h"

/* Of encode_audio, beside the bits of the tracks: what is copied is decoded beside it, for packets alone do not tell whether
 * they are whole. */
#define MR_DECODE_COPIES (UINT32_C(1) << 31)

enum {
    MR_PARTS_OPEN = 32,                  /* the most that are open at a time */
    MR_PARTS_DESCRIBED_BYTES = 32 << 10, /* of the receipt, for parts with their streams */
};

/* The range of the clip that a unit makes of the video or the audio, and where its packets go. */
struct mr_unit_range {
    int64_t from_us, to_us; /* to_us INT64_MAX: to the end */
    struct mr_packets_writer writer;
    bool is_audio;
    struct mr_audio_slice slice; /* of audio; the next are of video */
    int64_t output;              /* the part of a split clip that the range is of, from 0 */
    int64_t begin_us; /* where its encoder begins: before the range, if it keeps to a bit rate, to settle */
    int64_t added;    /* frames that the input has not: logos, and the repeated first one of a part */
    int64_t lead_damage; /* packets damaged before it begins, which are not its own */
    const char *odd;     /* why one run over all would give something else; NULL: nothing is known */
};

struct mr_parts {
    const struct mr_media_format *spec; /* not owned; nor are the next six */
    const struct mr_options *options;
    const struct mr_demuxer *input;
    const struct mr_sandbox_fds *fds;
    struct mr_notes *notes;
    const struct mr_timeline *timeline;
    struct mr_work *work;
    /* which tracks are never copied: a bit for each, from the lowest; MR_DECODE_COPIES */
    uint32_t encode_audio;
    int threads;                      /* that the filters and the encoder of video may have */
    struct mr_unit_range *unit;       /* NULL: the whole is made; not owned, nor are the next two */
    struct mr_packets_reader *joined; /* packets of the video that units have made; NULL: there are none */
    struct mr_packets_reader *joined_audio; /* the same of the audio */
    bool expects[MR_SLOTS];                 /* the tracks that each part waits for */

    struct mr_muxer *open[MR_PARTS_OPEN]; /* parts first … first + count - 1; owned */
    int64_t first;
    int64_t count;
    int64_t left[MR_SLOTS];           /* how many parts each track has left */
    int64_t reached_us;               /* how far the video is on the clip */
    int64_t length_us[MR_PARTS_OPEN]; /* of the open parts: the longest track's */
    json_t *outputs;                  /* the receipt's array of the finished ones; owned */
    size_t described_bytes;           /* of outputs, had none been shortened */
};

MR_MUST_CHECK enum mr_status mr_parts_init(struct mr_parts *parts, struct mr_err *err);
void mr_parts_free(struct mr_parts *parts);

/* The output of a part (from 0) that the caller's track has not left; opens it if it is new. *ret stays valid
 * until the track leaves it. Codes: too_many_parts, resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_parts_get(struct mr_parts *parts, int64_t part, struct mr_muxer **ret,
                                          struct mr_err *err);
/* The track has written all of its present part, which is so long; a part that all have left is finished. */
MR_MUST_CHECK enum mr_status mr_parts_leave(struct mr_parts *parts, enum mr_slot slot, int64_t length_us,
                                            struct mr_err *err);
/* How long the clip will be by what the file says of itself, in seconds; 0: it does not say, or not reliably. */
double mr_parts_expected_s(const struct mr_parts *parts);
/* True if copies are decoded, too: the option verify or waveform asks for it, or damage was met. */
bool mr_parts_decodes_copies(const struct mr_parts *parts);
/* Fails, and notes in encode_audio that copies must be decoded: a packet is not built as it should be. Code:
 * copy_impossible. */
enum mr_status mr_parts_doubt(struct mr_parts *parts, struct mr_err *err);
/* No part waits for this track any longer: it has no data. */
void mr_parts_give_up(struct mr_parts *parts, enum mr_slot slot);

#endif
