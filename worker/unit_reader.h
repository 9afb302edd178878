/*
 * The intermediate objects of a task's units, as the child that joins them reads them: one behind the other, from the
 * first to the last. Of each track one is open at a time; when it is left, its bytes are verified. Used by the job's thread.
 */
#ifndef MR_WORKER_UNIT_READER_H
#define MR_WORKER_UNIT_READER_H

#include "shared/data/units.h"
#include "worker/read_ahead.h"

struct mr_unit_reader {
    struct mr_storage *storage;
    const struct mr_unit_parts *parts; /* not owned */
    struct mr_unit_cursor {
        size_t at;                  /* the part that is open */
        struct mr_read_ahead *open; /* NULL: none */
    } cursors[MR_UNIT_JOIN];        /* by kind */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

void mr_unit_reader_free(struct mr_unit_reader *reader);
MR_DEFINE_VALUE_CLEANUP(mr_unit_reader, mr_unit_reader_free)

/* As mr_sandbox_callbacks.read_range. reader NULL: code "sandbox_protocol", the child asks for what it does not have. */
MR_MUST_CHECK enum mr_status mr_unit_reader_read(struct mr_unit_reader *reader, int64_t offset, void *buf,
                                                 size_t len, size_t *ret_len, struct mr_err *err);
/* Verifies the parts that were read last. */
MR_MUST_CHECK enum mr_status mr_unit_reader_finish(struct mr_unit_reader *reader, struct mr_err *err);

#endif
