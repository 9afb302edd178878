/*
 * The outbox: tasks whose message must be published, or published again. A task's row is its own outbox entry:
 * published_at is NULL until a message was published for its present generation, and the epoch while the task is put
 * off (waiting.h). Any thread may call.
 */
#ifndef MR_DATA_OUTBOX_H
#define MR_DATA_OUTBOX_H

#include "shared/data/db.h"
#include "shared/data/message.h"

/* Notes that these messages were published. A task that has another generation by now is left as it is. Gives up after
 * MR_DB_QUICK_MS: without the note they are published twice, which harms less than to wait. */
MR_MUST_CHECK enum mr_status mr_outbox_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
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
