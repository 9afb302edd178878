/*
 * Copy and rewrite. The bytes are copied from file to file; the new object is as atomic as an uploaded one.
 * Source: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
 */
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/settings.h"

#include <inttypes.h>

/* The copy keeps the settings of the source unless the request has a resource. */
static enum mr_status copy_object(struct em_app *emulator, struct mr_request *req, struct em_stored **ret,
                                  struct mr_err *err)
{
    struct em_store *store = emulator->storage->store;
    struct em_conditions source_conditions;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO_JSON json_t *settings = NULL;
    MR_AUTO(em_stored) struct em_stored *source = NULL;
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_AUTO_FD int fd = -1;
    struct em_store_write write = {.bucket = mr_request_param(req, "bucket"),
                                   .name = mr_request_param(req, "object")};
    MR_TRY(em_conditions_of_request(req, false, &write.conditions, err));
    MR_TRY(em_conditions_of_request(req, true, &source_conditions, err));
    MR_TRY(em_request_resource(req, &resource, err));
    MR_TRY(em_store_get(store, mr_request_param(req, "sourceBucket"), mr_request_param(req, "sourceObject"),
                        &source_conditions, &source, &fd, err));
    MR_TRY(em_settings_apply(source->settings, resource, json_object_size(resource) > 0, &settings, err));
    MR_TRY(em_store_check_write(store, &write, err));
    MR_TRY(em_store_incoming(store, &incoming, err));
    MR_TRY(em_incoming_append_file(incoming, fd, err));
    write.settings = settings;
    write.component_count = source->component_count;
    return em_store_insert(store, &write, incoming, ret, err);
}

enum mr_status em_object_copy(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(copy_object(app, req, &stored, err));
    return em_answer_object(req, stored, err);
}

enum mr_status em_object_rewrite(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_TRY(copy_object(app, req, &stored, err));
    json_t *answer = json_pack("{s:s, s:o, s:o, s:b, s:o}", "kind", "storage#rewriteResponse",
                               "totalBytesRewritten", json_sprintf("%" PRId64, stored->size), "objectSize",
                               json_sprintf("%" PRId64, stored->size), "done", 1, "resource",
                               em_stored_resource(stored, mr_request_base_url(req)));
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}
