/*
 * Results that answer a later task of the same user, so that the same work is not done twice.
 *
 * A commit notes the input's checksum and the engine (mr_commit.made). A result answers a task if the user, the kind, the
 * format, the options, the size and the CRC32C of the input, the engine, and what the name of the file means for the
 * output are the same, and if the bucket's lifecycle cannot have deleted its objects. That is its extension, which a demuxer
 * may go by; the whole name with a filmstrip, whose text names the picture. Only tasks that are `processed` have results; one
 * that runs again has none until it has ended. Any thread may call.
 */
#ifndef MR_DATA_RESULTS_H
#define MR_DATA_RESULTS_H

#include "shared/data/leases.h"

/* A task's result; owned. */
struct mr_result {
    int64_t task_id; /* 0: none */
    json_t *receipt; /* NULL: none */
    struct mr_output *outputs;
    size_t count;
};
void mr_result_free(struct mr_result *result);
MR_DEFINE_VALUE_CLEANUP(mr_result, mr_result_free)

/* The newest result that answers the claimed task. Zero-initialise *ret; free it in every case. *ret_ours is false when the
 * lease is no longer held. One statement, which gives up after MR_DB_QUICK_MS. */
MR_MUST_CHECK enum mr_status mr_result_find(struct mr_db *db, const struct mr_claim *claim,
                                            const struct mr_made_from *made, bool *ret_ours,
                                            struct mr_result *ret, struct mr_err *err);

#endif
