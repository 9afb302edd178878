/*
 * The part of a subscription's queue that is on disk: messages in the order in which they were published, in a file
 * without a name, which is gone when the process ends. Not thread-safe: the lock of em_pubsub protects it, and is held
 * while a message is written or read, because both only copy to and from the page cache.
 */
#ifndef EM_PUBSUB_SPILL_H
#define EM_PUBSUB_SPILL_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise. */
struct em_spill {
    bool is_open;
    int fd;
    int64_t read_at, write_at; /* places in the file: of the oldest message, and behind the newest */
    int64_t count;             /* messages between them */
    int64_t newest_us;         /* when the newest was published */
};

/* Appends a text with the time when it was published. The first call makes the file in the directory. MR_EXHAUSTED if it
 * cannot be written: then nothing has changed. */
MR_MUST_CHECK enum mr_status em_spill_append(struct em_spill *spill, const char *directory, const char *text,
                                             int64_t publish_us, struct mr_err *err);
/* Takes the oldest text out; *ret is malloc'ed. count must not be 0. If it cannot be read (MR_INTERNAL), all are lost. */
MR_MUST_CHECK enum mr_status em_spill_take(struct em_spill *spill, char **ret, int64_t *ret_publish_us,
                                           struct mr_err *err);
/* Drops all messages, and the file. */
void em_spill_clear(struct em_spill *spill);

#endif
