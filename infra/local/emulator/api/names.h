/* Names of resources, and URLs, in Google's requests. Any thread. */
#ifndef EM_API_NAMES_H
#define EM_API_NAMES_H

#include "shared/http/server.h"

/* MR_INVALID unless id is a legal topic or subscription id: 3 to 255 characters of [A-Za-z0-9-_.~+%], the first
 * one a letter, not starting with "goog".
 * Source: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names */
MR_MUST_CHECK enum mr_status em_resource_id_check(const char *id, struct mr_err *err);
/* MR_INVALID unless name is "projects/P/<collection>/ID" with a legal ID. */
MR_MUST_CHECK enum mr_status em_resource_name_check(const char *name, const char *collection,
                                                    struct mr_err *err);
/* "projects/{p}/<collection>/{id}" from the path parameters p and `param` of the request; malloc'ed. */
MR_MUST_CHECK enum mr_status em_resource_name_of(const struct mr_request *req, const char *collection,
                                                 const char *param, char **ret, struct mr_err *err);

/* MR_INVALID unless url is an absolute http or https URL without blanks or control characters. `field` names it
 * in the error. */
MR_MUST_CHECK enum mr_status em_url_check(const char *field, const char *url, struct mr_err *err);

#endif
