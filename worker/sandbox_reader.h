/*
 * Reads the records of protocol.h from a non-blocking descriptor as their bytes arrive: a fixed head, then as
 * many bytes as the head says, up to a bound. The sender is hostile, so every length is checked. Owned by one
 * thread.
 */
#ifndef MR_WORKER_SANDBOX_READER_H
#define MR_WORKER_SANDBOX_READER_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_reader {
    size_t head_len;
    size_t len_at;   /* where the head holds its uint32_t length */
    size_t body_max; /* 0: the records have no body, whatever their length field says */
    char head[32];   /* filled up to head_len; aligned for any head */
    char *body;
    size_t got; /* bytes of the current record, head and body */
} __attribute__((aligned(8)));

enum mr_read_state {
    MR_READ_AGAIN,  /* no more bytes at present */
    MR_READ_RECORD, /* head and body hold a whole record until the next call */
    MR_READ_END,    /* the sender closed between two records */
    MR_READ_CUT,    /* the sender closed within a record */
    MR_READ_BROKEN  /* a length over the bound, or a failed read */
};

/* head_len bytes of head, with the length of the body at len_at. MR_EXHAUSTED without memory for body_max
 * bytes. */
MR_MUST_CHECK enum mr_status mr_reader_init(struct mr_reader *reader, size_t head_len, size_t len_at,
                                            size_t body_max, struct mr_err *err);
void mr_reader_free(struct mr_reader *reader);

/* Continues to read, at most to the end of one record. *ret_any is true if any byte arrived. */
enum mr_read_state mr_reader_next(struct mr_reader *reader, int fd, bool *ret_any);
/* The length in the current head. */
uint32_t mr_reader_len(const struct mr_reader *reader);

#endif
