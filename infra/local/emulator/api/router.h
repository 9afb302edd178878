/*
 * The router: one table of what the emulator speaks, in rows of a route and the query parameters that it knows. What is
 * in no row is answered with 501 and its name, so that no client takes a default, or another route's answer, for what it
 * has asked for.
 */
#ifndef EM_API_ROUTER_H
#define EM_API_ROUTER_H

#include "shared/base/cleanup.h"
#include "shared/http/server.h"

struct em_spoken {
    const char *name; /* Google's name of the method: "storage.objects.list" */
    const char *method;
    const char *pattern; /* as in struct mr_route */
    mr_handler *handler;
    int64_t max_body;
    /* Of the query: those that the handler follows, and those that change nothing here. Blanks between them; "prefix"
     * takes any value, "alt=json|media" only these; the first row of a name counts. "*": anything. */
    const char *parameters;
};

/* What Google's clients send with any request to a JSON API, whatever they want. Sources:
 * https://cloud.google.com/storage/docs/json_api/v1/parameters, https://cloud.google.com/apis/docs/system-parameters */
#define EM_JSON_PARAMETERS                                                                                   \
    "alt=json $alt=json|json;enum-encoding=int fields prettyPrint key quotaUser userIp userProject "         \
    "access_token oauth_token $.xgafv upload_protocol uploadType"

/* The rows of one part of the emulator. */
typedef const struct em_spoken *em_rows(size_t *ret_count);

/* All rows. Read-only after em_router_new; any thread. */
struct em_router {
    struct mr_route *routes; /* for the server; routes[i] is rows[i] */
    const struct em_spoken **rows;
    size_t count;
};

/* Joins the parts; of two rows that match, the first one counts. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_router_new(em_rows *const parts[], size_t count, struct em_router **ret,
                                           struct mr_err *err);
void em_router_free(struct em_router *router);
MR_DEFINE_CLEANUP(em_router, em_router_free)

enum em_parameter { EM_PARAMETER_SPOKEN, EM_PARAMETER_OTHER_VALUE, EM_PARAMETER_UNSPOKEN };
/* What a row's parameters say to one of a query. */
enum em_parameter em_parameter_find(const char *parameters, const char *name, const char *value);

#endif
