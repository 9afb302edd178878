/*
 * What encoders have cost lately, by the receipts of this system's own tasks: processors differ by more than the estimates of
 * worker/media/work.c can know. Any thread may call.
 */
#ifndef MR_DATA_WORK_COSTS_H
#define MR_DATA_WORK_COSTS_H

#include "shared/base/json.h"
#include "shared/data/db.h"

/*
 * [[encoder, preset, seconds], …]: the median time of a processor in seconds for a megapixel or, of audio, for a million
 * samples that the encoder got, of each encoder and preset ("": none was asked for) with enough conversions among the
 * latest tasks; those that took less than a second or so do not count, nor does audio that was cut into units. Reads at
 * most 2,000 rows. The caller owns *ret.
 */
MR_MUST_CHECK enum mr_status mr_work_costs_read(struct mr_db *db, json_t **ret, struct mr_err *err);

#endif
