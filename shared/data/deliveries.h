/*
 * Deliveries: the webhooks and mails that report the end of a task, and the mails about accounts, which have no task:
 * confirmations of addresses (confirmations.h) and resets of passwords (resets.h).
 *
 * A trigger writes the row in the transaction that ends the task, so neither exists without the other. A claim
 * takes a lease: attempts and fence rise before anything is sent. The outcome requires the same fence, so a
 * worker that was presumed dead writes nothing. A delivery that failed waits for its next attempt; the sweep
 * publishes its message then. Messages may be lost, late or duplicated: the row decides. If a crash between the
 * receiver's answer and our outcome causes a repetition, the receiver recognises it by public_id, which is the
 * same for every attempt. Any thread may call.
 */
#ifndef MR_DATA_DELIVERIES_H
#define MR_DATA_DELIVERIES_H

#include "shared/base/json.h"
#include "shared/base/random.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

enum mr_channel {
    MR_CHANNEL_WEBHOOK,
    MR_CHANNEL_MAIL,
    MR_CHANNEL_RESET,
    MR_CHANNEL_CONFIRMATION,
    MR_CHANNELS
};

/* The word in the database and in logs. */
const char *mr_channel_name(enum mr_channel channel);

enum mr_delivery_claim {
    MR_DELIVERY_OURS,
    MR_DELIVERY_NOT_DUE,   /* unknown, finished, too early, or claimed by another worker: nothing to do */
    MR_DELIVERY_OUTDATED,  /* no longer wanted: the task was run again, or the address is (not) confirmed */
    MR_DELIVERY_EXHAUSTED, /* no attempts are left, because workers died: the delivery was failed */
};

struct mr_delivery {
    int64_t id;
    int64_t task_id; /* 0: none */
    int64_t user_id;
    int64_t generation;
    int64_t fence;
    int64_t attempts; /* this one included */
    enum mr_channel channel;
    char public_id[MR_UUID_TEXT_MAX]; /* what the receiver sees, the same for every attempt */
    char *target;                     /* a URL or a mail address, as the user gave it */
    char *webhook_secret;             /* of the user, hexadecimal; a secret */
};
void mr_delivery_free(struct mr_delivery *delivery);
MR_DEFINE_VALUE_CLEANUP(mr_delivery, mr_delivery_free)

/* Claims a delivery for lease_seconds. *ret is filled for MR_DELIVERY_OURS only; the caller frees it. */
MR_MUST_CHECK enum mr_status mr_delivery_claim(struct mr_db *db, int64_t id, int64_t lease_seconds,
                                               int64_t max_attempts, enum mr_delivery_claim *ret_claim,
                                               struct mr_delivery *ret, struct mr_err *err);

enum mr_delivery_end {
    MR_DELIVERY_SENT,
    MR_DELIVERY_RETRY,     /* the next attempt follows after retry_after_s */
    MR_DELIVERY_FAILED,    /* for good */
    MR_DELIVERY_SKIPPED,   /* no longer needed */
    MR_DELIVERY_POSTPONED, /* as RETRY, but nothing was sent: the attempt is not counted */
    MR_DELIVERY_ENDS
};

/* Writes the outcome. error: the reason, for operators; NULL when sent. *ret_ours is false when the fence no
 * longer matched. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_delivery_finish(struct mr_db *db, const struct mr_delivery *delivery,
                                                enum mr_delivery_end end, int64_t retry_after_s,
                                                const char *error, bool *ret_ours, struct mr_err *err);

/* What a list has, newest first. */
struct mr_delivery_filter {
    int64_t max;        /* length of the list, at least 1 */
    int64_t before;     /* only ids below this one; 0: from the newest */
    const char *status; /* NULL: any */
};
/* The webhooks and mails of the user's tasks, as an array for clients. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_deliveries_list(struct mr_db *db, int64_t user_id,
                                                const struct mr_delivery_filter *filter, json_t **ret,
                                                struct mr_err *err);
/*
 * Makes a webhook that has ended due again, with all its attempts and the same public_id; key is its id. The caller
 * publishes *ret_message. MR_NOT_FOUND; MR_CONFLICT with code "not_replayable": a mail, not ended yet, or of an earlier
 * run of its task. MR_INVALID for a key that is no number.
 */
MR_MUST_CHECK enum mr_status mr_delivery_replay(struct mr_db *db, int64_t user_id, const char *key,
                                                struct mr_message *ret_message, struct mr_err *err);

/* How long to wait after this many attempts: from 10 s to 3 h, randomly a fifth more or less. */
int64_t mr_delivery_backoff_s(int64_t attempts);

/* A task has at most one webhook and one mail. */
enum { MR_DELIVERIES_OF_TASK = 2 };

/* Fills owed with the messages that were never published, of a task that has just ended. */
MR_MUST_CHECK enum mr_status mr_deliveries_of_task(struct mr_db *db, int64_t task_id,
                                                   struct mr_message owed[MR_DELIVERIES_OF_TASK],
                                                   size_t *ret_count, struct mr_err *err);

/*
 * Fills due (room for max) with the messages to publish now: never published and 5 s old; due again since the
 * last message; due and last published republish_after_s seconds ago; or sending with a lease that expired after
 * the last message.
 */
MR_MUST_CHECK enum mr_status mr_deliveries_due(struct mr_db *db, int64_t republish_after_s,
                                               struct mr_message *due, size_t max, size_t *ret_count,
                                               struct mr_err *err);

/* Notes that these messages were published. */
MR_MUST_CHECK enum mr_status mr_deliveries_mark(struct mr_db *db, const struct mr_message *messages,
                                                size_t count, struct mr_err *err);

#endif
