/* The fields of a request body, which may be JSON, a urlencoded form or a multipart form, by Content-Type:
 * the clients of the older systems use all three. */
#ifndef MR_WEB_API_BODY_H
#define MR_WEB_API_BODY_H

#include "shared/base/json.h"
#include "shared/http/server.h"

/* Reads the fields into a new object; form fields are strings. MR_INVALID, also for a repeated field;
 * MR_TOO_LARGE over 64 KiB; MR_UNSUPPORTED for another Content-Type. */
MR_MUST_CHECK enum mr_status mr_body_fields(struct mr_request *req, json_t **ret, struct mr_err *err);

/* MR_UNSUPPORTED for a body that is compressed. */
MR_MUST_CHECK enum mr_status mr_body_check_coding(const struct mr_request *req, struct mr_err *err);

/* True for a form of either kind, whose fields are all strings. */
bool mr_body_is_form(const struct mr_request *req);

/* Finds the first of the names (NULL-terminated) that is given, as a non-empty string that belongs to fields.
 * MR_INVALID with code "missing_field", which names the first one, or "wrong_type". */
MR_MUST_CHECK enum mr_status mr_body_text(const json_t *fields, const char *const *names, const char **ret,
                                          struct mr_err *err);

#endif
