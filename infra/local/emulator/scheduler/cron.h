/*
 * Cron schedules in UTC: five fields (minute, hour, day of month, month, day of week), each a list of values, ranges
 * and steps. Months and weekdays may be English names; Sunday is 0 and 7. If both days are restricted, either may
 * match. Sources: crontab(5), https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
 *
 * Pure; any thread.
 */
#ifndef EM_SCHEDULER_CRON_H
#define EM_SCHEDULER_CRON_H

#include "shared/base/err.h"

#include <stdint.h>

/* Bit n of a set stands for the value n. */
struct em_cron {
    uint64_t minutes;
    uint64_t hours;
    uint64_t days;
    uint64_t months;
    uint64_t weekdays;
    bool any_day; /* the field was "*": only the other day field counts */
    bool any_weekday;
};

/* MR_INVALID, naming the field, for anything that is not a schedule. */
MR_MUST_CHECK enum mr_status em_cron_parse(const char *text, struct em_cron *ret, struct mr_err *err);

/* The first time of the schedule after `after`, both in seconds since 1970, UTC. False if there is none, e.g. for the
 * 30th of February. */
bool em_cron_next(const struct em_cron *cron, int64_t after, int64_t *ret_next);

#endif
