/* Turns tasks into messages and publishes them: used by admission and by the sweep. Any thread. */
#ifndef MR_WEB_OUTBOX_PUBLISHER_H
#define MR_WEB_OUTBOX_PUBLISHER_H

#include "shared/base/log.h"
#include "shared/data/message.h"
#include "shared/gcp/pubsub.h"

/* Publishes one message per entry, in as few calls as can be; timeout in ms for all of it. All or (as far as
 * known) none. */
MR_MUST_CHECK enum mr_status mr_outbox_publish(struct mr_pubsub *pubsub, const char *topic,
                                               const struct mr_message *messages, size_t count,
                                               int timeout_ms, struct mr_err *err);

#endif
