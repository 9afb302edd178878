/* Pages and documents that are linked into the program: /openapi.json, /docs, /report and the page that
 * confirms a mail address; / redirects to /docs. */
#include "web/static_files.h"

#include "web/api/api.h"
#include "web/benchmark_run.h"

/* The pages contain their scripts and styles; nothing is loaded from, or sent to, another host. */
static const char policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                             "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
                             "frame-ancestors 'none'";

static enum mr_status respond(struct mr_request *req, const char *name, const char *content_type,
                              struct mr_err *err)
{
    const struct mr_static_file *file = mr_static_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    if (!file->name)
        return mr_fail(err, MR_INTERNAL, "file is not linked into the program: %s", name);
    MR_TRY(mr_respond_header(req, "Content-Security-Policy", policy, err));
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-cache", err));
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

enum mr_status mr_api_report(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_TRY(mr_benchmark_check_enabled(app, err));
    return respond(req, "report.html", "text/html; charset=utf-8", err);
}
