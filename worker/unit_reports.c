#include "worker/unit_reports.h"

#include <math.h>
#include <string.h>

enum { REHEARSALS_MAX = 10 }; /* more than any search has: it may not go on for ever */

static enum mr_status measured_nonsense(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "a unit did not say how loud its audio is");
}

enum mr_status mr_unit_reports_cpu(const struct mr_unit_parts *parts, double *ret, struct mr_err *err)
{
    *ret = 0;
    for (size_t i = 0; i < parts->count; i++)
        *ret += json_number_value(json_object_get(parts->parts[i].report, "cpu_seconds"));
    return isfinite(*ret) && *ret >= 0
               ? MR_OK
               : mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter took a time that cannot be");
}

/* [count, energy] of the same loudness. */
static enum mr_status add_block(json_t *blocks, const char *bin, const json_t *block, struct mr_err *err)
{
    const json_t *before = json_object_get(blocks, bin);
    json_int_t count = json_integer_value(json_array_get(before, 0));
    double energy =
        json_number_value(json_array_get(before, 1)) + json_number_value(json_array_get(block, 1));
    if (__builtin_add_overflow(count, json_integer_value(json_array_get(block, 0)), &count) ||
        !isfinite(energy))
        return measured_nonsense(err);
    return json_object_set_new(blocks, bin, json_pack("[I, f]", count, energy)) == 0 ? MR_OK
                                                                                     : mr_fail_oom(err);
}

static enum mr_status add_measured(json_t *sum, const json_t *measured, struct mr_err *err)
{
    const char *bin;
    json_t *block, *peak = json_object_get(measured, "peak"), *blocks = json_object_get(measured, "blocks");
    if (!json_is_number(peak) || !json_is_object(blocks))
        return measured_nonsense(err);
    json_object_foreach (blocks, bin, block)
        MR_TRY(add_block(json_object_get(sum, "blocks"), bin, block, err));
    if (json_number_value(peak) <= json_number_value(json_object_get(sum, "peak")))
        return MR_OK;
    return json_object_set(sum, "peak", peak) == 0 ? MR_OK : mr_fail_oom(err);
}

enum mr_status mr_unit_reports_measured(const struct mr_unit_parts *parts, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *sum = json_pack("{s:f, s:{}}", "peak", 0.0, "blocks");
    if (!sum)
        return mr_fail_oom(err);
    for (size_t i = 0; i < parts->count; i++)
        MR_TRY(add_measured(sum, json_object_get(parts->parts[i].report, "measured"), err));
    *ret = MR_TAKE(sum);
    return MR_OK;
}

static bool read_next(const char *next, enum mr_level_next *ret)
{
    static const struct {
        const char *name;
        enum mr_level_next next;
    } names[] = {{"again", MR_LEVEL_AGAIN}, {"last", MR_LEVEL_LAST}, {"made", MR_LEVEL_MADE}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, next) == 0) {
            *ret = names[i].next;
            return true;
        }
    return false;
}

enum mr_status mr_unit_reports_next(const json_t *before, const json_t *report, double units_cpu,
                                    enum mr_level_next *ret_next, json_t **ret_search, struct mr_err *err)
{
    json_t *heard = NULL;
    const char *next = "";
    double cpu = 0;
    const size_t heard_before = json_array_size(json_object_get(before, "heard"));
    bool is_said = json_unpack((json_t *)(uintptr_t)report, "{s:o, s:s, s:F}", "heard", &heard, "next", &next,
                               "cpu_seconds", &cpu) == 0 &&
                   read_next(next, ret_next);
    cpu += json_number_value(json_object_get(before, "cpu_seconds")) +
           (is_said && *ret_next != MR_LEVEL_MADE ? units_cpu : 0);
    if (!is_said || json_array_size(heard) != heard_before + 1 || heard_before >= REHEARSALS_MAX ||
        !isfinite(cpu))
        return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter did not say what units do next");
    *ret_search = json_pack("{s:O, s:f}", "heard", heard, "cpu_seconds", cpu);
    return *ret_search ? MR_OK : mr_fail_oom(err);
}
