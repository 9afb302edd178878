#include "infra/local/emulator/api/router.h"

#include "infra/local/emulator/api/unspoken.h"
#include "infra/local/emulator/app.h"

#include <strings.h>

/* Headers that would change what a request of Cloud Storage does. */
static const char *const unspoken_headers[] = {
    "x-goog-encryption-algorithm", "x-goog-copy-source-encryption-algorithm", "x-goog-copy-source"};

/* True if value is one of those in text, which has '|' between them. */
static bool is_among(const char *text, size_t len, const char *value)
{
    for (const char *end = text + len;; text++) {
        size_t one = strcspn(text, "| ");
        if (one == strlen(value) && strncasecmp(text, value, one) == 0)
            return true;
        text += one;
        if (text >= end)
            return false;
    }
}

enum em_parameter em_parameter_find(const char *parameters, const char *name, const char *value)
{
    const size_t name_len = strlen(name);
    if (strcmp(parameters, "*") == 0)
        return EM_PARAMETER_SPOKEN;
    for (const char *at = parameters; *at; at += strspn(at, " ")) {
        size_t len = strcspn(at, " "), own = strcspn(at, "= ");
        if (own == name_len && memcmp(at, name, own) == 0)
            return own == len || is_among(at + own + 1, len - own - 1, value) ? EM_PARAMETER_SPOKEN
                                                                              : EM_PARAMETER_OTHER_VALUE;
        at += len;
    }
    return EM_PARAMETER_UNSPOKEN;
}

/* The server leaves out what it cannot decode, and all after its 64th parameter: that must not pass for absent. */
static enum mr_status check_query_is_whole(const struct mr_request *req, struct mr_err *err)
{
    const char *name, *value;
    size_t sent = 0, read = 0;
    for (const char *at = mr_request_query_string(req); *at; at += strcspn(at, "&")) {
        at += strspn(at, "&");
        sent += *at != '\0';
    }
    while (mr_request_query_at(req, read, &name, &value))
        read++;
    return read == sent ? MR_OK
                        : mr_fail(err, MR_INVALID,
                                  "Invalid query: a parameter cannot be decoded, or "
                                  "there are too many.");
}

static enum mr_status check_parameters(const struct em_spoken *row, const struct mr_request *req,
                                       struct mr_err *err)
{
    const char *name, *value;
    if (strcmp(row->parameters, "*") == 0)
        return MR_OK;
    MR_TRY(check_query_is_whole(req, err));
    for (size_t i = 0; mr_request_query_at(req, i, &name, &value); i++)
        switch (em_parameter_find(row->parameters, name, value)) {
        case EM_PARAMETER_SPOKEN:
            break;
        case EM_PARAMETER_OTHER_VALUE:
            return mr_fail_code(err, MR_CODE_UNIMPLEMENTED,
                                "The emulator does not speak the parameter %.64s=%.64s of %s.", name, value,
                                row->name);
        case EM_PARAMETER_UNSPOKEN:
            return mr_fail_code(err, MR_CODE_UNIMPLEMENTED,
                                "The emulator does not speak the parameter %.64s of %s.", name, row->name);
        }
    return MR_OK;
}

static enum mr_status check_headers(const struct em_spoken *row, const struct mr_request *req,
                                    struct mr_err *err)
{
    for (size_t i = 0; i < sizeof unspoken_headers / sizeof *unspoken_headers; i++)
        if (mr_request_header(req, unspoken_headers[i]))
            return mr_fail_code(err, MR_CODE_UNIMPLEMENTED,
                                "The emulator does not speak the header %s of %s.", unspoken_headers[i],
                                row->name);
    return MR_OK;
}

/* The handler of every route. */
static enum mr_status serve(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct em_router *router = ((const struct em_app *)app)->router;
    const struct em_spoken *row = router->rows[mr_request_route(req) - router->routes];
    if (em_has_other_verb(row->pattern, mr_request_path(req)))
        return em_unspoken_route(req, err);
    MR_TRY(check_parameters(row, req, err));
    MR_TRY(check_headers(row, req, err));
    return row->handler(app, req, err);
}

static enum mr_status allocate(em_rows *const parts[], size_t count, struct em_router **ret,
                               struct mr_err *err)
{
    MR_AUTO(em_router) struct em_router *router = calloc(1, sizeof *router);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        size_t rows = 0;
        parts[i](&rows);
        total += rows;
    }
    if (!router)
        return mr_fail_oom(err);
    router->routes = calloc(total, sizeof *router->routes);
    router->rows = calloc(total, sizeof *router->rows);
    if (!router->routes || !router->rows)
        return mr_fail_oom(err);
    *ret = MR_TAKE(router);
    return MR_OK;
}

enum mr_status em_router_new(em_rows *const parts[], size_t count, struct em_router **ret, struct mr_err *err)
{
    struct em_router *router = NULL;
    MR_TRY(allocate(parts, count, &router, err));
    for (size_t i = 0; i < count; i++) {
        size_t part = 0;
        const struct em_spoken *rows = parts[i](&part);
        for (size_t j = 0; j < part; j++, router->count++) {
            router->rows[router->count] = &rows[j];
            router->routes[router->count] = (struct mr_route){.method = rows[j].method,
                                                              .pattern = rows[j].pattern,
                                                              .handler = serve,
                                                              .max_body = rows[j].max_body};
        }
    }
    *ret = router;
    return MR_OK;
}

void em_router_free(struct em_router *router)
{
    if (!router)
        return;
    free(router->routes);
    free(router->rows);
    free(router);
}
