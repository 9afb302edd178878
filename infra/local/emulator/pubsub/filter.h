/*
 * The filter of a subscription, which looks at the attributes of a message. Source:
 * https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax
 *
 *   attributes:key   attributes.key = "v"   attributes.key != "v"   hasPrefix(attributes.key, "v")
 *   NOT x, -x, x AND y, x OR y, (x); AND and OR cannot be mixed without parentheses.
 *
 * Immutable once compiled; any thread may use it.
 */
#ifndef EM_PUBSUB_FILTER_H
#define EM_PUBSUB_FILTER_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

struct em_filter;

/* MR_INVALID, with the position, for anything else, and for more than 256 bytes. "" gives NULL, which matches
 * every message. */
MR_MUST_CHECK enum mr_status em_filter_compile(const char *text, struct em_filter **ret, struct mr_err *err);
void em_filter_free(struct em_filter *filter);
MR_DEFINE_CLEANUP(em_filter, em_filter_free)

/* True if a message with these attributes (NULL: none) matches; a NULL filter matches every message. */
bool em_filter_matches(const struct em_filter *filter, const json_t *attributes);

#endif
