#include "worker/media/timeline.h"

void mr_timeline_plan(struct mr_timeline *ret, const struct mr_demuxer *input,
                      const struct mr_options *options, int64_t max_us, bool has_logo)
{
    *ret = (struct mr_timeline){
        .is_timed = input->video,
        .origin_us = input->start_us + options->trim_start_us,
        .skip_us = options->trim_start_us,
        .length_us = options->trim_us,
        .max_us = max_us,
        .part_us = options->split_us ? options->split_us : INT64_MAX,
        .intro_us = has_logo ? options->intro_us : 0,
        .outro_us = has_logo ? options->outro_us : 0,
    };
    ret->pads = input->video && (options->split_us || ret->intro_us || ret->outro_us);
}

int64_t mr_timeline_part(const struct mr_timeline *timeline, int64_t part)
{
    if (timeline->part_us == INT64_MAX)
        return part == 0 ? 0 : INT64_MAX;
    return part * timeline->part_us;
}

enum mr_status mr_timeline_check(const struct mr_timeline *timeline, int64_t us, struct mr_err *err)
{
    if (us <= timeline->max_us || timeline->length_us <= timeline->max_us)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the file is longer than %lld s",
                        (long long)(timeline->max_us / 1000000));
}
