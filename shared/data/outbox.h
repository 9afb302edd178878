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

/*
 * Fills due (room for max) with the messages to publish now, oldest tasks first, of one priority, because each
 * priority is a lane of its own: never published and 5 s old; waiting, and last published republish_after_s seconds
 * ago, or as long ago as the task had waited then, whichever is later, but at most 5 times republish_after_s; or
 * processing with a lease that expired after the last message. So a message that Pub/Sub lost delays a task to at
 * most twice its waiting time, or by republish_after_s, and a sweep.
 */
MR_MUST_CHECK enum mr_status mr_outbox_due(struct mr_db *db, bool high, int64_t republish_after_s,
                                           struct mr_message *due, size_t max, size_t *ret_count,
                                           struct mr_err *err);

#endif
