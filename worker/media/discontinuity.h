/*
 * The clock of an MPEG stream may jump: recordings that were joined, or a receiver that started again. In other
 * containers it begins again where files were joined (cat a.mkv b.mkv). This makes the time stamps of all streams
 * continuous: what follows a jump begins where what was before it ended. All streams are moved by the same amount,
 * whichever jumps first, so that they stay in step. A short hole stays: something was lost there. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_DISCONTINUITY_H
#define MR_WORKER_MEDIA_DISCONTINUITY_H

#include "worker/media/muxer.h"
#include "worker/media/notes.h"

struct mr_discontinuity {
    bool can_go_back;  /* the container is of a kind that is read on where another file was joined to it */
    bool can_jump;     /* its clock may go forward, too, without a hole */
    int64_t offset_us; /* of what follows the last jump, for all streams */
    int64_t jumps;
    bool has_places;                   /* bytes between two packets are of a packet that cannot be read */
    bool is_unread;                    /* since the last one of the video */
    int64_t end_place;                 /* where the packet before ended in the file */
    int64_t end_us;                    /* of what was shown last */
    int64_t shown_us;                  /* the same of the video alone */
    int64_t pictures, holes, holes_us; /* of the video */
    struct {
        int64_t offset_us; /* as far as this stream has come */
        int64_t next_us;   /* where its next packet belongs; valid once there was one */
        bool seen;
    } tracks[MR_SLOTS];
};

void mr_discontinuity_init(struct mr_discontinuity *line, const struct mr_demuxer *input);

/* Corrects the packet's time stamps. Takes the packets of each stream in the order of the file. */
void mr_discontinuity_correct(struct mr_discontinuity *line, enum mr_slot slot, AVRational base,
                              AVPacket *packet);

/* Adds a warning to the receipt if there were jumps, or holes in the video where something was lost. */
void mr_discontinuity_note(const struct mr_discontinuity *line, struct mr_notes *notes);

#endif
