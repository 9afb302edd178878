/* jansson with our cleanup attribute: MR_AUTO_JSON json_t *j = NULL; is dereferenced when its scope ends. */
#ifndef MR_BASE_JSON_H
#define MR_BASE_JSON_H

#include "shared/base/err.h"

#include <jansson.h>

static inline void mr_json_cleanup(json_t **json)
{
    json_decref(*json);
}
#define MR_AUTO_JSON __attribute__((cleanup(mr_json_cleanup)))

/* Gives jansson the memory of memory.h. Call it before any thread exists. */
void mr_json_prepare(void);

/*
 * Parses a document that someone else wrote; flags are jansson's JSON_DECODE_… and JSON_REJECT_…. The caller owns
 * *ret. MR_INVALID says where the document is broken; MR_EXHAUSTED without memory, which says nothing about the
 * document. Any thread.
 */
MR_MUST_CHECK enum mr_status mr_json_parse(const char *text, size_t len, size_t flags, json_t **ret,
                                           struct mr_err *err);

/* How values are written for clients: with the 15 digits that a double keeps for certain, so 12.3 stays 12.3. */
#define MR_JSON_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

/* A string of what somebody else wrote: bytes that are no UTF-8 are replaced (mr_utf8_storable). NULL without memory. */
json_t *mr_json_text(const char *text);

#endif
