/* The rows of kind insert_records, made up from their number so that the same number gives the same row. Private
 * to records.c. */
#ifndef MR_DATA_RECORDS_ROWS_H
#define MR_DATA_RECORDS_ROWS_H

#include "shared/data/db.h"

/* Copies the rows numbered first … last of the task into the three tables of schema `records`. */
MR_MUST_CHECK enum mr_status mr_records_copy(struct mr_db_tx *tx, int64_t task_id, int64_t first,
                                             int64_t last, struct mr_err *err);

#endif
