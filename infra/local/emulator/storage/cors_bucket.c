/* Cross-origin requests by the rules of a bucket; see storage/cors.h. */
#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/handlers.h"

#include <strings.h>

enum { LIST_MAX = 4096 };

static bool list_holds(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && (strcmp(item, "*") == 0 || strcasecmp(item, text) == 0))
            return true;
    }
    return false;
}

/* True if each of the names in a header's comma-separated value is in the list. */
static bool list_holds_each(const json_t *list, const char *names)
{
    for (const char *at = names; *at;) {
        char name[128];
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        if (len && !list_holds(list, name))
            return false;
        at += len;
    }
    return true;
}

/* The first rule that allows origin and method, or NULL. */
static const json_t *find_rule(const json_t *bucket, const char *origin, const char *method)
{
    const json_t *rules = json_object_get(bucket, "cors");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (list_holds(json_object_get(rule, "origin"), origin) &&
            list_holds(json_object_get(rule, "method"), method))
            return rule;
    }
    return NULL;
}

static enum mr_status join(const json_t *list, struct mr_buf *out, struct mr_err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        MR_TRY(mr_buf_appendf(out, err, "%s%s", i ? ", " : "", item ? item : ""));
    }
    return MR_OK;
}

/* A rule for every origin is answered with "*" instead of the request's origin. */
static const char *allowed_origin(const json_t *rule, const char *origin)
{
    return list_holds(json_object_get(rule, "origin"), "*") ? "*" : origin;
}

enum mr_status em_cors_bucket(struct em_app *emulator, struct mr_request *req, mr_handler *handler,
                              struct mr_err *err)
{
    const char *origin = mr_request_header(req, "Origin");
    MR_AUTO_JSON json_t *bucket = NULL;
    MR_AUTO(mr_buf) struct mr_buf exposed = MR_BUF_INIT(LIST_MAX);
    /* If the bucket does not exist, the handler reports it. */
    if (!origin || em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket,
                                       NULL) != MR_OK)
        return handler(emulator, req, err);
    const json_t *rule = find_rule(bucket, origin, mr_request_method(req));
    if (!rule)
        return handler(emulator, req, err);
    MR_TRY(join(json_object_get(rule, "responseHeader"), &exposed, err));
    struct em_cors_permission permission = {.origin = allowed_origin(rule, origin),
                                            .exposed = mr_buf_str(&exposed)};
    return em_cors_answer(&permission, emulator, req, handler, err);
}

static enum mr_status allow(struct mr_request *req, const json_t *rule, const char *origin,
                            struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf methods = MR_BUF_INIT(LIST_MAX);
    MR_AUTO(mr_buf) struct mr_buf headers = MR_BUF_INIT(LIST_MAX);
    MR_TRY(join(json_object_get(rule, "method"), &methods, err));
    MR_TRY(join(json_object_get(rule, "responseHeader"), &headers, err));
    struct em_cors_permission permission = {.origin = allowed_origin(rule, origin),
                                            .methods = mr_buf_str(&methods),
                                            .headers = mr_buf_str(&headers),
                                            .max_age_s =
                                                json_integer_value(json_object_get(rule, "maxAgeSeconds"))};
    return em_cors_add_headers(req, &permission, err);
}

/* Always answers 200: what is not allowed is missing from the headers. */
enum mr_status em_xml_preflight(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *origin = mr_request_header(req, "Origin");
    const char *method = mr_request_header(req, "Access-Control-Request-Method");
    const char *headers = mr_request_header(req, "Access-Control-Request-Headers");
    MR_AUTO_JSON json_t *bucket = NULL;
    if (!origin || !method)
        return mr_fail(err, MR_INVALID, "OPTIONS needs Origin and Access-Control-Request-Method.");
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket, err));
    const json_t *rule = find_rule(bucket, origin, method);
    if (rule && list_holds_each(json_object_get(rule, "responseHeader"), headers ? headers : ""))
        MR_TRY(allow(req, rule, origin, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}
