/* Handlers of objects' metadata: https://cloud.google.com/storage/docs/json_api/v1/objects */
#include "infra/local/emulator/storage/download.h"
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"
#include "shared/base/encoding.h"

static enum mr_status list_query(const struct mr_request *req, struct em_list_query *ret, struct mr_err *err)
{
    const char *trailing = mr_request_query(req, "includeTrailingDelimiter");
    *ret = (struct em_list_query){
        .prefix = mr_request_query(req, "prefix"),
        .delimiter = mr_request_query(req, "delimiter"),
        .start_offset = mr_request_query(req, "startOffset"),
        .end_offset = mr_request_query(req, "endOffset"),
        .page_token = mr_request_query(req, "pageToken"),
        .include_trailing_delimiter = trailing && !strcmp(trailing, "true"),
    };
    /* An empty token asks for the first page. */
    if (ret->page_token && !*ret->page_token)
        ret->page_token = NULL;
    return em_request_max_results(req, &ret->max_results, err);
}

enum mr_status em_object_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    struct em_list_query query;
    MR_AUTO(em_listing) struct em_listing listing = {0};
    MR_TRY(list_query(req, &query, err));
    MR_TRY(em_store_list(emulator->storage->store, mr_request_param(req, "bucket"), &query, &listing, err));
    MR_AUTO_JSON json_t *items = json_array();
    for (size_t i = 0; i < listing.count; i++)
        if (json_array_append_new(items, em_stored_resource(listing.items[i], mr_request_base_url(req))) < 0)
            return mr_fail_oom(err);
    json_t *answer =
        json_pack("{s:s, s:O*, s:O*, s:s*}", "kind", "storage#objects", "items", listing.count ? items : NULL,
                  "prefixes", listing.prefixes, "nextPageToken", listing.next_page_token);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

enum mr_status em_object_download(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    return em_download(emulator->storage->store, emulator->storage->faults, req,
                       mr_request_param(req, "bucket"), mr_request_param(req, "object"), err);
}

enum mr_status em_object_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *alt = mr_request_query(req, "alt");
    if (alt && !strcmp(alt, "media"))
        return em_object_download(app, req, err);
    struct em_conditions conditions;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(em_store_get(emulator->storage->store, mr_request_param(req, "bucket"),
                        mr_request_param(req, "object"), &conditions, &stored, NULL, err));
    return em_answer_object(req, stored, err);
}

static enum mr_status change(struct em_app *emulator, struct mr_request *req, bool replace,
                             struct mr_err *err)
{
    struct em_conditions conditions;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(em_request_resource(req, &resource, err));
    MR_TRY(em_store_change(emulator->storage->store, mr_request_param(req, "bucket"),
                           mr_request_param(req, "object"), &conditions, resource, replace, &stored, err));
    return em_answer_object(req, stored, err);
}

enum mr_status em_object_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    return change(app, req, false, err);
}

enum mr_status em_object_update(void *app, struct mr_request *req, struct mr_err *err)
{
    return change(app, req, true, err);
}

enum mr_status em_object_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    struct em_conditions conditions;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(em_store_delete(emulator->storage->store, mr_request_param(req, "bucket"),
                           mr_request_param(req, "object"), &conditions, err));
    return mr_respond_empty(req, 204, err);
}
