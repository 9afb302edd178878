/* What requests to Google's newer REST APIs have in common: a JSON body, and pages of a list. */
#ifndef EM_API_GOOGLE_REQUEST_H
#define EM_API_GOOGLE_REQUEST_H

#include "shared/http/server.h"

/* JSON text as an object; an empty one for no text, and for null, which Google's Go clients send for "nothing". flags are
 * jansson's. NULL with *ret_reason for anything else. The caller owns the result. */
json_t *em_json_object_parse(const char *text, size_t len, size_t flags, json_error_t *ret_reason);

/* The body as an object without nulls; an empty object if there is no body. The caller owns *ret. MR_INVALID for
 * anything else, MR_TOO_LARGE above max bytes. */
MR_MUST_CHECK enum mr_status em_google_body(struct mr_request *req, size_t max, json_t **ret,
                                            struct mr_err *err);

/* The page of a list that a request asks for. */
struct em_page {
    size_t size; /* pageSize: 1 to 1000; absent or 0: 100 */
    /* pageToken: the last name of the page before, "" for none; borrowed from the request */
    const char *after;
};
/* MR_INVALID for a malformed pageSize. */
MR_MUST_CHECK enum mr_status em_page_of(const struct mr_request *req, struct em_page *ret,
                                        struct mr_err *err);

#endif
