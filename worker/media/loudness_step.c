#include "worker/media/loudness_step.h"

#include "worker/media/meter.h"

/* Where two slices meet, what two encoders have made is added, and no unit hears that. */
#define SEAM_DB 0.2

static enum mr_status hear_units(const json_t *measured, struct mr_heard *ret, struct mr_err *err)
{
    MR_AUTO(mr_meter) struct mr_meter meter;
    mr_meter_init(&meter);
    MR_TRY(mr_meter_add(&meter, measured, err));
    *ret = (struct mr_heard){.integrated = mr_meter_integrated(&meter),
                             .true_peak = mr_meter_true_peak(&meter) + SEAM_DB,
                             .is_lossy = true};
    return MR_OK;
}

static enum mr_status hear_clip(const struct mr_loudness_search *search, mr_rehearse_fn *rehearse, void *ctx,
                                struct mr_heard *ret, struct mr_err *err)
{
    struct mr_gain gain;
    mr_loudness_next(search, &gain);
    return rehearse(ctx, &gain, false, ret, err);
}

enum mr_status mr_loudness_step(double target, const json_t *heard, const json_t *measured,
                                mr_rehearse_fn *rehearse, void *ctx, json_t **ret, struct mr_err *err)
{
    struct mr_loudness_search search;
    struct mr_heard now = {0};
    MR_AUTO_JSON json_t *list = json_array();
    MR_TRY(mr_loudness_replay(target, heard, &search, err));
    MR_TRY(search.heard ? hear_units(measured, &now, err) : hear_clip(&search, rehearse, ctx, &now, err));
    mr_loudness_hear(&search, &now);
    if (json_array_extend(list, (json_t *)(uintptr_t)heard) < 0 && search.heard > 1)
        return mr_fail_oom(err);
    if (json_array_append_new(list, mr_loudness_describe(&now)) < 0)
        return mr_fail_oom(err);
    *ret = json_pack("{s:O, s:s}", "heard", list, "next",
                     !search.is_over                ? "again"
                     : mr_loudness_is_made(&search) ? "made"
                                                    : "last");
    return *ret ? MR_OK : mr_fail_oom(err);
}
