#include "worker/media/sync.h"

#include "worker/media/track.h"

#include <libavutil/common.h>

enum {
    LATE_US = 2 * 1000 * 1000,    /* how long packets of video wait for the first of audio */
    LAG_US = 10 * 1000 * 1000,    /* how far a track may be behind the other where parts wait for both */
    AHEAD_US = 120 * 1000 * 1000, /* how much audio is kept for video that has not come */
};

static bool has_parts(const struct mr_sync *sync)
{
    return sync->parts->timeline->part_us != INT64_MAX;
}

static enum mr_status step_audio(const struct mr_sync *sync, struct mr_track *audio, struct mr_err *err)
{
    int64_t lead_us = sync->parts->reached_us - mr_track_position_us(audio);
    if (lead_us > LATE_US)
        MR_TRY(mr_track_open_late(audio, err));
    MR_TRY(mr_track_advance(audio, err));
    return has_parts(sync) && lead_us > LAG_US ? mr_track_pad(audio, sync->parts->reached_us - LAG_US, err)
                                               : MR_OK;
}

enum mr_status mr_sync_step(struct mr_sync *sync, struct mr_err *err)
{
    struct mr_track *video = sync->tracks[MR_SLOT_VIDEO];
    if (!video)
        return MR_OK;
    sync->parts->reached_us = mr_track_position_us(video);
    int64_t audio_us = 0;
    for (size_t i = MR_SLOT_AUDIO; i < MR_SLOT_SUBTITLE; i++) {
        if (!mr_track_is_active(sync->tracks[i]))
            continue;
        audio_us = FFMAX(audio_us, mr_track_position_us(sync->tracks[i]));
        MR_TRY(step_audio(sync, sync->tracks[i], err));
    }
    if (has_parts(sync) && audio_us - sync->parts->reached_us > LAG_US)
        MR_TRY(mr_track_pad(video, audio_us - LAG_US, err));
    for (size_t i = MR_SLOT_SUBTITLE; i < MR_SLOTS; i++)
        MR_TRY(mr_track_advance(sync->tracks[i], err));
    return MR_OK;
}

bool mr_sync_is_over(const struct mr_sync *sync)
{
    const struct mr_track *video = sync->tracks[MR_SLOT_VIDEO];
    if (!video)
        return mr_track_is_done(sync->tracks[MR_SLOT_AUDIO]);
    if (!mr_track_is_done(video))
        return false;
    /* Audio with a hole at the end of the clip is not waited for: what comes after it is of no use. */
    if (video->next_us - sync->parts->timeline->length_us > LAG_US)
        return true;
    for (size_t i = MR_SLOT_AUDIO; i < MR_SLOT_SUBTITLE; i++)
        if (mr_track_is_active(sync->tracks[i]) && !mr_track_is_done(sync->tracks[i]))
            return false;
    return true;
}

int64_t mr_sync_audio_end_us(const struct mr_sync *sync)
{
    const struct mr_timeline *timeline = sync->parts->timeline;
    if (!timeline->pads)
        return INT64_MAX;
    /* No part has audio alone. */
    return FFMIN(mr_track_position_us(sync->tracks[MR_SLOT_VIDEO]),
                 mr_timeline_part(timeline, sync->parts->left[MR_SLOT_VIDEO]));
}

int64_t mr_sync_audio_limit_us(const struct mr_sync *sync)
{
    return sync->parts->timeline->pads ? sync->parts->reached_us : INT64_MAX;
}

bool mr_sync_audio_may_leave(const struct mr_sync *sync, int64_t part, bool has_more)
{
    return sync->tracks[MR_SLOT_VIDEO] ? sync->parts->left[MR_SLOT_VIDEO] > part : has_more;
}

bool mr_sync_audio_is_far_ahead(const struct mr_sync *sync, int64_t waiting_us)
{
    return sync->parts->timeline->pads && waiting_us > AHEAD_US;
}
