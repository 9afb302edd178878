/* Dead letters: messages of tasks that Pub/Sub gave up delivering. Any thread may call. */
#ifndef MR_DATA_DEAD_LETTERS_H
#define MR_DATA_DEAD_LETTERS_H

#include "shared/data/db.h"
#include "shared/data/message.h"

/*
 * Fails the message's task (code "delivery_exhausted") if it was ever attempted or has waited for a day.
 * Otherwise the queue was only full: the task goes back to the outbox. Does nothing if the task has another
 * generation, a live lease or a final state.
 */
MR_MUST_CHECK enum mr_status mr_dead_letter_accept(struct mr_db *db, const struct mr_message *message,
                                                   struct mr_err *err);

#endif
