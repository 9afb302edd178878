/*
 * What children have reported of a task's units, put together. A child has read a hostile file, so its report may say anything:
 * what no converter says fails, with the code sandbox_protocol where no other is named. Any thread may call.
 */
#ifndef MR_WORKER_UNIT_REPORTS_H
#define MR_WORKER_UNIT_REPORTS_H

#include "shared/base/json.h"
#include "shared/data/units.h"

/* Seconds of a processor that the units have taken in all. */
MR_MUST_CHECK enum mr_status mr_unit_reports_cpu(const struct mr_unit_parts *parts, double *ret,
                                                 struct mr_err *err);

/* What the units of audio have measured (worker/media/meter.h), as if one had. The caller owns *ret. Code:
 * unit_impossible, also for one that has measured nothing, as workers of an earlier version did. */
MR_MUST_CHECK enum mr_status mr_unit_reports_measured(const struct mr_unit_parts *parts, json_t **ret,
                                                      struct mr_err *err);

/* What a unit `level` has decided. before: the search so far; NULL: there was none. units_cpu: seconds that the units of
 * audio have taken for what was decided about, which are added to the search's if they run again. The caller owns *ret_search. */
MR_MUST_CHECK enum mr_status mr_unit_reports_next(const json_t *before, const json_t *report,
                                                  double units_cpu, enum mr_level_next *ret_next,
                                                  json_t **ret_search, struct mr_err *err);

#endif
