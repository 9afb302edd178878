/*
 * The contract in the words of OpenAPI 3.0.3, for generators of clients that do not read 3.1. There is one source,
 * web/static/openapi.json; what 3.0 cannot say (webhooks, conditions on several fields) is left out or becomes an
 * extension, so this document allows more than the source and never less.
 * Source: https://spec.openapis.org/oas/v3.0.3, https://www.openapis.org/blog/2021/02/16/migrating-from-openapi-3-0-to-3-1-0.
 */
#ifndef MR_WEB_OPENAPI_30_H
#define MR_WEB_OPENAPI_30_H

#include "shared/base/json.h"

/* Rewrites a document of OpenAPI 3.1 in place. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_openapi_to_30(json_t *document, struct mr_err *err);

#endif
