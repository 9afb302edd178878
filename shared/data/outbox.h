/*
 * The outbox: tasks whose message must be published, or published again. A task's row is its own outbox entry:
 * published_at is NULL until a message was published for its present generation, and the epoch while the task is put
 * off (waiting.h). New tasks can be owed as a batch instead, by one row that is deleted when all are published: then their
 * published_at is the time of the INSERT, and what is left of a batch sets it back to NULL. Any thread may call.
 */
#ifndef MR_DATA_OUTBOX_H
#define MR_DATA_OUTBOX_H

#include "shared/base/buf.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

/* Notes that these messages were published. A task that has another generation by now is left as it is. Gives up after
 * MR_DB_QUICK_MS: without the note they are published twice, which harms less than to wait. */
MR_MUST_CHECK enum mr_status mr_outbox_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                                            struct mr_err *err);

/* How mr_tasks_insert_within notes that messages are owed, and that those of earlier batches were published. */
struct mr_outbox_batch {
    int64_t id; /* of mr_outbox_batch_new; the same when a batch is repeated, or inserted in parts */
    const int64_t *settled; /* not owned: what mr_outbox_batch_of named, and was published */
    size_t settled_count;
};
/* A random id. */
MR_MUST_CHECK enum mr_status mr_outbox_batch_new(int64_t *ret_id, struct mr_err *err);
/* The tasks of one priority of a batch: each lane is published, and settled, by itself. */
int64_t mr_outbox_batch_of(int64_t id, bool high);
/* As struct mr_outbox_batch, without new tasks. Gives up after MR_DB_QUICK_MS, as mr_outbox_mark. */
MR_MUST_CHECK enum mr_status mr_outbox_settle(struct mr_db *db, const int64_t *settled, size_t count,
                                              struct mr_err *err);
/* The tasks that still wait of batches that are 5 s old were never published: mr_outbox_due returns them after this. */
MR_MUST_CHECK enum mr_status mr_outbox_recover(struct mr_db *db, struct mr_err *err);

/* For statements of shared/data: the array as PostgreSQL reads it. */
MR_MUST_CHECK enum mr_status mr_outbox_settled_text(const int64_t *settled, size_t count, struct mr_buf *ret,
                                                    struct mr_err *err);

/* Notes that a worker received a message that was published at this time, in seconds since 1970: the front of the queue,
 * by which mr_outbox_due tells messages that wait from those that were lost. Gives up after MR_DB_QUICK_MS. */
MR_MUST_CHECK enum mr_status mr_outbox_heard(struct mr_db *db, bool high, int64_t published_s,
                                             struct mr_err *err);

/*
 * Fills due (room for max) with the messages to publish now, oldest first, of one priority, because each priority is a
 * lane of its own:
 * - never published, and 5 s old;
 * - waiting, and probably lost: workers received messages that were published republish_after_s later. A message that
 *   waits in a long queue is not repeated;
 * - if workers have received nothing newer for republish_after_s, the 100 oldest that wait: when these arrive, the front
 *   of the queue is known, and the others follow in the next run;
 * - processing with a lease that expired after the last message.
 * No waiting task is published again before republish_after_s, or the time that it had waited at its last message,
 * whichever is longer, but at most 5 times republish_after_s. With mr_outbox_mark after each call, a run that calls until
 * nothing is left gets no task twice.
 */
MR_MUST_CHECK enum mr_status mr_outbox_due(struct mr_db *db, bool high, int64_t republish_after_s,
                                           struct mr_message *due, size_t max, size_t *ret_count,
                                           struct mr_err *err);

#endif
