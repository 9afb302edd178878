#include "worker/media/track.h"

#include "worker/media/streams.h"

bool mr_track_is_active(const struct mr_track *track)
{
    return track && !track->is_given_up;
}

enum mr_status mr_track_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err)
{
    bool takes = mr_track_is_active(track) && !mr_track_is_done(track);
    return takes && track->ops->packet ? track->ops->packet(track, packet, err) : MR_OK;
}

enum mr_status mr_track_open_late(struct mr_track *track, struct mr_err *err)
{
    return mr_track_is_active(track) && track->ops->open_late ? track->ops->open_late(track, err) : MR_OK;
}

enum mr_status mr_track_advance(struct mr_track *track, struct mr_err *err)
{
    return mr_track_is_active(track) && track->ops->advance ? track->ops->advance(track, err) : MR_OK;
}

enum mr_status mr_track_pad(struct mr_track *track, int64_t until_us, struct mr_err *err)
{
    return mr_track_is_active(track) && track->ops->pad ? track->ops->pad(track, until_us, err) : MR_OK;
}

enum mr_status mr_track_drain(struct mr_track *track, struct mr_err *err)
{
    return mr_track_is_active(track) && track->ops->drain ? track->ops->drain(track, err) : MR_OK;
}

enum mr_status mr_track_finish(struct mr_track *track, int64_t end_us, struct mr_err *err)
{
    return mr_track_is_active(track) && track->ops->finish ? track->ops->finish(track, end_us, err) : MR_OK;
}

int64_t mr_track_position_us(const struct mr_track *track)
{
    return mr_track_is_active(track) && track->ops->position ? track->ops->position(track) : 0;
}

int64_t mr_track_decoded_us(const struct mr_track *track)
{
    return mr_track_is_active(track) && track->ops->decoded ? track->ops->decoded(track) : 0;
}

bool mr_track_is_done(const struct mr_track *track)
{
    return mr_track_is_active(track) && track->ops->is_done && track->ops->is_done(track);
}

bool mr_track_is_empty(const struct mr_track *track)
{
    return mr_track_is_active(track) && track->ops->is_empty && track->ops->is_empty(track);
}

void mr_track_free(struct mr_track *track)
{
    if (track && track->ops && track->ops->free)
        track->ops->free(track);
}

void mr_track_give_up(struct mr_track *track)
{
    char name[MR_STREAM_NAME_MAX];
    mr_streams_name(track->stream, name);
    mr_notes_dropped(track->parts->notes, name, "it holds nothing that can be decoded");
    mr_parts_give_up(track->parts, track->slot);
    track->is_given_up = true;
}

struct mr_track *mr_track_main(struct mr_track *const tracks[MR_SLOTS])
{
    return tracks[MR_SLOT_VIDEO] ? tracks[MR_SLOT_VIDEO] : tracks[MR_SLOT_AUDIO];
}
