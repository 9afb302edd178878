/* Pages and documents that are linked into the program: /openapi.json, /openapi-3.0.json, /docs, /report, and the pages that
 * confirm a mail address and set a new password; / redirects to /docs. */
#include "web/static_files.h"

#include "web/api/api.h"
#include "web/benchmark_run.h"
#include "web/openapi_30.h"

/* The pages contain their scripts and styles; nothing is loaded from, or sent to, another host. */
static const char policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                             "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
                             "frame-ancestors 'none'";

static enum mr_status find(const char *name, const struct mr_static_file **ret, struct mr_err *err)
{
    const struct mr_static_file *file = mr_static_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    if (!file->name)
        return mr_fail(err, MR_INTERNAL, "file is not linked into the program: %s", name);
    *ret = file;
    return MR_OK;
}

static enum mr_status add_headers(struct mr_request *req, struct mr_err *err)
{
    MR_TRY(mr_respond_header(req, "Content-Security-Policy", policy, err));
    return mr_respond_header(req, "Cache-Control", "no-cache", err);
}

static enum mr_status respond(struct mr_request *req, const char *name, const char *content_type,
                              struct mr_err *err)
{
    const struct mr_static_file *file = NULL;
    MR_TRY(find(name, &file, err));
    MR_TRY(add_headers(req, err));
    return mr_respond_bytes(req, 200, content_type, file->data, file->len, err);
}

enum mr_status mr_api_index(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_TRY(mr_respond_header(req, "Location", "/docs", err));
    return mr_respond_empty(req, 302, err);
}

enum mr_status mr_api_openapi(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return respond(req, "openapi.json", "application/json", err);
}

enum mr_status mr_api_openapi_30(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_AUTO_JSON json_t *document = NULL;
    const struct mr_static_file *file = NULL;
    MR_TRY(find("openapi.json", &file, err));
    MR_TRY(mr_json_parse((const char *)file->data, file->len, 0, &document, err));
    MR_TRY(mr_openapi_to_30(document, err));
    MR_TRY(add_headers(req, err));
    return mr_respond_json(req, 200, json_incref(document), err);
}

enum mr_status mr_api_docs(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return respond(req, "docs.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_confirm_page(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_TRY(mr_respond_header(req, "Referrer-Policy", "no-referrer", err)); /* the address has a token */
    return respond(req, "confirm.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_reset_page(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    MR_TRY(mr_respond_header(req, "Referrer-Policy", "no-referrer", err));
    return respond(req, "reset.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_report(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_TRY(mr_benchmark_check_enabled(app, err));
    return respond(req, "report.html", "text/html; charset=utf-8", err);
}
