/*
 * The XML API's paths, as far as clients use them for downloads and signed URLs. The object's name is the rest
 * of the path, its slashes unescaped. Source: https://cloud.google.com/storage/docs/xml-api/reference-methods
 */
#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/download.h"
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/resumable.h"
#include "infra/local/emulator/storage/signed_url.h"
#include "infra/local/emulator/storage/upload_plan.h"
#include "shared/base/encoding.h"

#include <strings.h>

static enum mr_status xml_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_STR char *name = strdup(mr_request_param(req, "object"));
    if (!name)
        return mr_fail_oom(err);
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(mr_percent_decode(name, false, err));
    return em_download(emulator->storage->store, emulator->storage->faults, req,
                       mr_request_param(req, "bucket"), name, err);
}

enum mr_status em_xml_get(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_bucket(app, req, xml_get, err);
}

static enum mr_status xml_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    char etag[EM_ETAG_MAX];
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(em_upload_plan_make_xml(req, &plan, err));
    MR_TRY(em_upload_plan_execute(&plan, emulator->storage->store, em_request_source, req, &stored, err));
    em_stored_etag(stored, etag);
    MR_TRY(mr_respond_header(req, "ETag", etag, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}

enum mr_status em_xml_put(void *app, struct mr_request *req, struct mr_err *err)
{
    return mr_request_query(req, "upload_id") ? em_resumable_continue(app, req, err)
                                              : em_cors_bucket(app, req, xml_put, err);
}

/* "x-goog-resumable: start" starts a session; the XML API answers 201 where the JSON API answers 200. */
static enum mr_status xml_post(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *resumable = mr_request_header(req, "x-goog-resumable");
    if (!resumable || strcasecmp(resumable, "start"))
        return mr_fail(err, MR_INVALID, "POST to an object needs x-goog-resumable: start.");
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(em_upload_plan_make_xml(req, &plan, err));
    return em_resumable_answer(app, req, &plan, 201, err);
}

enum mr_status em_xml_post(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_bucket(app, req, xml_post, err);
}

enum mr_status em_xml_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    struct em_conditions conditions;
    MR_AUTO_STR char *name = strdup(mr_request_param(req, "object"));
    if (!name)
        return mr_fail_oom(err);
    MR_TRY(em_signed_url_check(emulator->identity, req, err));
    MR_TRY(mr_percent_decode(name, false, err));
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(
        em_store_delete(emulator->storage->store, mr_request_param(req, "bucket"), name, &conditions, err));
    return mr_respond_empty(req, 204, err);
}
