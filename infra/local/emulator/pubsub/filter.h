/*
 * The filter of a subscription, over the attributes of a message. Source:
 * https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax
 *
 *   attributes:key   attributes.key = "v"   attributes.key != "v"   hasPrefix(attributes.key, "v")
 *   NOT x, -x, x AND y, x OR y, (x); AND and OR do not mix without parentheses.
 *
 * Immutable once compiled; any thread may match.
 */
#ifndef MR_EMULATOR_PUBSUB_FILTER_H
#define MR_EMULATOR_PUBSUB_FILTER_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

struct mr_filter;

/* MR_INVALID with the position for anything else than the above, or more than 256 bytes. "" gives NULL, which
 * matches all. */
MR_MUST_CHECK enum mr_status mr_filter_compile(const char *text, struct mr_filter **ret, struct mr_err *err);
void mr_filter_free(struct mr_filter *filter);
MR_DEFINE_CLEANUP(mr_filter, mr_filter_free)

/* True if a message with these attributes (NULL: none) passes; a NULL filter passes all. */
bool mr_filter_matches(const struct mr_filter *filter, const json_t *attributes);

#endif
