/*
 * The fields of a request, from JSON, a urlencoded form or a multipart form, by Content-Type: the older
 * systems' clients use all three.
 */
#ifndef MR_WEB_API_BODY_H
#define MR_WEB_API_BODY_H

#include "shared/base/json.h"
#include "shared/http/server.h"

/* *ret is an object; form fields are strings. MR_INVALID (also for a field given twice), MR_TOO_LARGE (over
 * 64 KiB), MR_UNSUPPORTED (Content-Type). */
MR_MUST_CHECK enum mr_status mr_body_fields(struct mr_request *req, json_t **ret, struct mr_err *err);

/* True for a form of either kind, whose fields are all strings. */
bool mr_body_is_form(const struct mr_request *req);

/*
 * The first of the names (NULL-terminated) that is there, as a non-empty string; the text belongs to fields.
 * MR_INVALID with code "missing_field" names the first one; "wrong_type" if it is not a string.
 */
MR_MUST_CHECK enum mr_status mr_body_text(const json_t *fields, const char *const *names, const char **ret,
                                          struct mr_err *err);

#endif
