/*
 * A track: one stream of the input on its way into the outputs. The pipeline and sync.h know video, audio and
 * subtitles through this interface alone.
 *
 * Calls come in this order: packet, open_late, advance and pad while the input is read; drain once; finish once.
 * A failure of any of them ends the conversion. A track that is given up gets no more calls but free. Used by
 * one thread.
 */
#ifndef MR_WORKER_MEDIA_TRACK_H
#define MR_WORKER_MEDIA_TRACK_H

#include "worker/media/decoder.h"
#include "worker/media/parts.h"

struct mr_track;

/* What a kind of track does. NULL where there is nothing to do: then the functions below return MR_OK, 0 or
 * false. */
struct mr_track_ops {
    const char *name; /* "video", for messages */

    /* How much shorter than declared a stream may be: declared / share, within the bounds. */
    struct {
        int share;
        int64_t min_us, max_us;
    } tolerance;

    /* Takes a packet of the stream, in the order of the file. May change and take over its data. */
    enum mr_status (*packet)(struct mr_track *track, AVPacket *packet, struct mr_err *err);
    /* Other tracks have gone on without any data from this one: opens it in the output with what the container
     * says about the stream, or gives it up, so that the muxer need not wait for it. */
    enum mr_status (*open_late)(struct mr_track *track, struct mr_err *err);
    /* Encodes what need not wait for other tracks any longer. */
    enum mr_status (*advance)(struct mr_track *track, struct mr_err *err);
    /* Fills the track up to a time of the clip, where the stream has no data: with silence, or the last frame. */
    enum mr_status (*pad)(struct mr_track *track, int64_t until_us, struct mr_err *err);
    /* There are no more packets: empties decoder and filters. */
    enum mr_status (*drain)(struct mr_track *track, struct mr_err *err);
    /* Ends the last part, at end_us of the clip; INT64_MAX: where the stream ends. */
    enum mr_status (*finish)(struct mr_track *track, int64_t end_us, struct mr_err *err);

    /* How far the track is on the clip, in microseconds. */
    int64_t (*position)(const struct mr_track *track);
    /* How much of the stream was read, in microseconds. */
    int64_t (*decoded)(const struct mr_track *track);
    /* No more packets are needed. */
    bool (*is_done)(const struct mr_track *track);
    /* Nothing of the stream could be decoded so far. */
    bool (*is_empty)(const struct mr_track *track);
    void (*free)(struct mr_track *track);
};

/* The part of every track that is the same. The first member of each kind's own struct. */
struct mr_track {
    const struct mr_track_ops *ops;
    enum mr_slot slot;
    struct mr_parts *parts; /* not owned; nor is the next */
    const AVStream *stream; /* of the input */
    int64_t declared_us;    /* the length that the container states; -1: none */
    struct mr_decoder decoder;
    int64_t next_us; /* where the frame after the last decoded one belongs on the clip; only of video */
    bool is_given_up;
};

/* Each of these accepts NULL, a track that is given up, and a kind that has no such function. */
MR_MUST_CHECK enum mr_status mr_track_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_track_open_late(struct mr_track *track, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_track_advance(struct mr_track *track, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_track_pad(struct mr_track *track, int64_t until_us, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_track_drain(struct mr_track *track, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_track_finish(struct mr_track *track, int64_t end_us, struct mr_err *err);
int64_t mr_track_position_us(const struct mr_track *track);
int64_t mr_track_decoded_us(const struct mr_track *track);
bool mr_track_is_done(const struct mr_track *track);
bool mr_track_is_empty(const struct mr_track *track);
void mr_track_free(struct mr_track *track);

/* True if the track is there and not given up. */
bool mr_track_is_active(const struct mr_track *track);

/* Leaves the track out of all outputs, and says so in the receipt: nothing of it can be decoded. */
void mr_track_give_up(struct mr_track *track);

/* The track that a conversion cannot do without: the video, or else the audio. */
struct mr_track *mr_track_main(struct mr_track *const tracks[MR_SLOTS]);

#endif
