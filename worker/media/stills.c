#include "worker/media/stills.h"

struct mr_stills mr_stills_for(const struct mr_options *options)
{
    return (struct mr_stills){.thumbnail = {.at_us = options->thumbnail_us,
                                            .width = options->thumbnail_width,
                                            .background = options->background},
                              .filmstrip = {.frames = options->filmstrip_frames,
                                            .width = options->filmstrip_width,
                                            .background = options->background}};
}

struct mr_stills mr_stills_for_none(void)
{
    return (struct mr_stills){.thumbnail = {.at_us = -1}};
}

void mr_stills_free(struct mr_stills *stills)
{
    mr_thumbnail_free(&stills->thumbnail);
    mr_filmstrip_free(&stills->filmstrip);
}

bool mr_stills_are_wanted(const struct mr_options *options)
{
    return options->thumbnail_us >= 0 || options->filmstrip_frames > 0;
}

bool mr_stills_wait(const struct mr_stills *stills)
{
    return !stills->is_over &&
           (stills->filmstrip.frames > 0 || (stills->thumbnail.at_us >= 0 && !stills->thumbnail.is_found));
}

enum mr_status mr_stills_offer(struct mr_stills *stills, const AVFrame *frame, const char *turn,
                               int64_t at_us, struct mr_err *err)
{
    MR_TRY(mr_thumbnail_offer(&stills->thumbnail, frame, turn, at_us, err));
    return mr_filmstrip_offer(&stills->filmstrip, frame, turn, at_us, err);
}
