#include "worker/media/sync.h"

#include "worker/media/track.h"

#include <libavutil/common.h>

enum {
    LATE_US = 2 * 1000 * 1000,    /* how long packets of video wait for the first of audio */
    LAG_US = 10 * 1000 * 1000,    /* how far a track may be behind the other where parts wait for both */
    AHEAD_US = 120 * 1000 * 1000, /* how much audio is kept for video that has not come */
};

enum mr_status mr_sync_step(struct mr_sync *sync, struct mr_err *err)
{
    if (!sync->video || !mr_track_is_active(sync->audio))
        return MR_OK;
    int64_t audio_us = mr_track_position_us(sync->audio);
    int64_t lead_us = (sync->video_us = mr_track_position_us(sync->video)) - audio_us;
    if (lead_us > LATE_US)
        MR_TRY(mr_track_open_late(sync->audio, err));
    MR_TRY(mr_track_advance(sync->audio, err));
    bool has_parts = sync->parts->timeline->part_us != INT64_MAX;
    if (has_parts && lead_us > LAG_US)
        return mr_track_pad(sync->audio, sync->video_us - LAG_US, err);
    if (has_parts && -lead_us > LAG_US)
        return mr_track_pad(sync->video, audio_us - LAG_US, err);
    return MR_OK;
}

bool mr_sync_is_over(const struct mr_sync *sync)
{
    if (!sync->video)
        return mr_track_is_done(sync->audio);
    if (!mr_track_is_done(sync->video))
        return false;
    /* Audio with a hole at the end of the clip is not waited for: what comes after it is of no use. */
    return !mr_track_is_active(sync->audio) || mr_track_is_done(sync->audio) ||
           sync->video->next_us - sync->parts->timeline->length_us > LAG_US;
}

int64_t mr_sync_audio_end_us(const struct mr_sync *sync)
{
    const struct mr_timeline *timeline = sync->parts->timeline;
    if (!timeline->pads)
        return INT64_MAX;
    /* No part has audio alone. */
    return FFMIN(mr_track_position_us(sync->video),
                 mr_timeline_part(timeline, sync->parts->left[MR_SLOT_VIDEO]));
}

int64_t mr_sync_audio_limit_us(const struct mr_sync *sync)
{
    return sync->parts->timeline->pads ? sync->video_us : INT64_MAX;
}

bool mr_sync_audio_may_leave(const struct mr_sync *sync, int64_t part, bool has_more)
{
    return sync->video ? sync->parts->left[MR_SLOT_VIDEO] > part : has_more;
}

bool mr_sync_audio_is_far_ahead(const struct mr_sync *sync, int64_t waiting_us)
{
    return sync->parts->timeline->pads && waiting_us > AHEAD_US;
}
