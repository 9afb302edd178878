/*
 * Reads the records of protocol.h off a non-blocking descriptor, piece by piece as they come: a fixed head,
 * then as many bytes as the head says, never more than a bound. The sender is hostile; the reader believes no
 * length. Owned by one thread.
 */
#ifndef MR_WORKER_SANDBOX_READER_H
#define MR_WORKER_SANDBOX_READER_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_reader {
    size_t head_len;
    size_t len_at;   /* where the head holds its uint32_t length */
    size_t body_max; /* 0: the records have no body, whatever their length field means */
    char head[32];   /* filled up to head_len; aligned for any head */
    char *body;
    size_t got; /* bytes of the current record, head and body */
} __attribute__((aligned(8)));

enum mr_read_state {
    MR_READ_AGAIN,  /* nothing more for now */
    MR_READ_RECORD, /* head and body hold a whole record until the next call */
    MR_READ_END,    /* the sender has closed, between two records */
    MR_READ_CUT,    /* the sender has closed within a record */
    MR_READ_BROKEN  /* a length over the bound, or a failed read */
};

/* MR_EXHAUSTED without memory for a body of body_max bytes. */
MR_MUST_CHECK enum mr_status mr_reader_init(struct mr_reader *reader, size_t head_len, size_t len_at,
                                            size_t body_max, struct mr_err *err);
void mr_reader_free(struct mr_reader *reader);

/* Reads on, at most to the end of one record. *ret_any tells whether any byte came. */
enum mr_read_state mr_reader_next(struct mr_reader *reader, int fd, bool *ret_any);
/* The length that the current head holds. */
uint32_t mr_reader_len(const struct mr_reader *reader);

#endif
