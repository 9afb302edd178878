/* Dead letters: messages of tasks that Pub/Sub gave up delivering. Any thread may call. */
#ifndef MR_DATA_DEAD_LETTERS_H
#define MR_DATA_DEAD_LETTERS_H

#include "shared/data/db.h"
#include "shared/data/message.h"

/*
 * A dead letter says only that the message was refused often: the queue was full, or the service failed. So the
 * task goes back to the outbox, and its own limits decide at the next claim (leases.h). It fails (code
 * "delivery_exhausted") only when it was queued give_up_seconds ago. Does nothing if the task has another
 * generation, a live lease or a final state, but to note the message for operators (operators.h).
 */
MR_MUST_CHECK enum mr_status mr_dead_letter_accept(struct mr_db *db, const struct mr_message *message,
                                                   int64_t give_up_seconds, struct mr_err *err);

#endif
