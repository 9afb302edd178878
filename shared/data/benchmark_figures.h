/*
 * The figures of the capacity test: how many conversions of its newest run were ready in which minute. A run is
 * the tasks that one request made: those of one user that share one input. Any thread may call.
 */
#ifndef MR_DATA_BENCHMARK_FIGURES_H
#define MR_DATA_BENCHMARK_FIGURES_H

#include "shared/base/json.h"
#include "shared/data/db.h"

/*
 * *ret_minutes is an array of {"min","count"}: the conversions that were ready in minute `min` after their upload,
 * for each minute from the first to the last with one, within a week. *ret_totals is
 * {"total","processed","failed","unfinished"}. Without a run they are empty and zero. The caller owns both.
 */
MR_MUST_CHECK enum mr_status mr_benchmark_figures(struct mr_db *db, int64_t user_id, json_t **ret_minutes,
                                                  json_t **ret_totals, struct mr_err *err);

#endif
