/* Pages and documents that are linked into the program: /openapi.json, /openapi-3.0.json, /docs, /report, /status,
 * /operator, the pages that confirm a mail address and set a new password, and under /assets the styles and scripts of all
 * pages; and /, the page that converts. */
#include "web/static_files.h"

#include "web/api/api.h"
#include "web/app.h"
#include "web/openapi_30.h"

#include <stdio.h>
#include <strings.h>

/* Nothing is loaded from, or sent to, another host, and markup holds neither scripts nor styles. A response that /docs
 * shows is a blob. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";

/* / sends files to Cloud Storage by itself, and plays what a download redirects to. %s: where that is. */
static const char policy_with_storage[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob: %s; connect-src 'self' %s; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'";
static const char google_storage[] = "https://storage.googleapis.com";

/* What /assets serves. */
static const struct {
    const char *suffix, *content_type;
} asset_types[] = {
    {".css", "text/css; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static enum mr_status find(const char *name, const struct mr_static_file **ret, struct mr_err *err)
{
    const struct mr_static_file *file = mr_static_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    if (!file->name)
        return mr_fail(err, MR_NOT_FOUND, "nothing is served under this path");
    *ret = file;
    return MR_OK;
}

/* header: Accept-Encoding, or NULL. Source: RFC 9110, section 12.5.3. */
static bool accepts_gzip(const char *header)
{
    for (const char *at = header; at; at = strchr(at, ',')) {
        at += strspn(at, ", \t");
        if (strncasecmp(at, "gzip", 4) != 0 || !strchr(" \t;,", at[4]))
            continue;
        double weight = 1;
        (void)sscanf(at + 4, " ; q=%lf", &weight);
        return weight > 0;
    }
    return false;
}

static enum mr_status add_headers(struct mr_request *req, const char *given_policy, struct mr_err *err)
{
    MR_TRY(mr_respond_header(req, "Content-Security-Policy", given_policy, err));
    return mr_respond_header(req, "Cache-Control", "no-cache", err);
}

static enum mr_status respond_with(struct mr_request *req, const char *name, const char *content_type,
                                   const char *given_policy, struct mr_err *err)
{
    const struct mr_static_file *file = NULL;
    MR_TRY(find(name, &file, err));
    MR_TRY(add_headers(req, given_policy, err));
    MR_TRY(mr_respond_header(req, "Vary", "Accept-Encoding", err));
    if (!accepts_gzip(mr_request_header(req, "Accept-Encoding")))
        return mr_respond_bytes(req, 200, content_type, file->data, file->len, err);
    MR_TRY(mr_respond_header(req, "Content-Encoding", "gzip", err));
    return mr_respond_bytes(req, 200, content_type, file->gzip, file->gzip_len, err);
}

static enum mr_status respond(struct mr_request *req, const char *name, const char *content_type,
                              struct mr_err *err)
{
    return respond_with(req, name, content_type, policy, err);
}

enum mr_status mr_api_index(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct mr_web *web = app;
    const char *storage = web->config->storage_host[0] ? web->config->storage_host : google_storage;
    char text[sizeof policy_with_storage + 2 * 512]; /* STORAGE_EMULATOR_HOST has at most 500 characters */
    snprintf(text, sizeof text, policy_with_storage, storage, storage);
    return respond_with(req, "index.html", "text/html; charset=utf-8", text, err);
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
    MR_TRY(add_headers(req, policy, err));
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
    (void)app;
    return respond(req, "report.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_status_page(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return respond(req, "status.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_operator_page(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return respond(req, "operator.html", "text/html; charset=utf-8", err);
}

enum mr_status mr_api_asset(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    const char *name = mr_request_param(req, "name"), *suffix = strrchr(name, '.');
    for (size_t i = 0; suffix && i < sizeof asset_types / sizeof *asset_types; i++)
        if (strcmp(suffix, asset_types[i].suffix) == 0)
            return respond(req, name, asset_types[i].content_type, err);
    return mr_fail(err, MR_NOT_FOUND, "nothing is served under this path");
}
