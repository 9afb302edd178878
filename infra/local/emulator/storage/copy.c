/*
 * Objects made of objects: compose, rewrite, copy. Their bytes are copied file to file; the new object is as
 * atomic as an uploaded one. Source: https://cloud.google.com/storage/docs/json_api/v1/objects/compose
 */
#include "infra/local/emulator/storage/http.h"
#include "shared/base/encoding.h"

#include <errno.h>
#include <inttypes.h>

enum { COMPOSE_SOURCES_MAX = 32, COPY_BYTES = 256 * 1024 };

static enum mr_status append_file(int fd, struct em_incoming *incoming, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(COPY_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    for (;;) {
        ssize_t got = read(fd, chunk, COPY_BYTES);
        if (got == 0)
            return MR_OK;
        if (got < 0)
            return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read an object");
        MR_TRY(em_incoming_write(incoming, chunk, (size_t)got, err));
    }
}

/* ---- compose ------------------------------------------------------------------- */

/* A generation in JSON is a decimal string; some clients send a number. */
static enum mr_status read_int64(const json_t *value, int64_t *ret, struct mr_err *err)
{
    const char *text = json_string_value(value);
    if (json_is_integer(value))
        *ret = json_integer_value(value);
    else if (!text || !mr_parse_int64(text, 0, INT64_MAX, ret))
        return mr_fail(err, MR_INVALID, "Invalid value for a generation of sourceObjects.");
    return MR_OK;
}

static enum mr_status source_conditions(const json_t *source, struct em_conditions *ret, struct mr_err *err)
{
    *ret = (struct em_conditions){0};
    const json_t *generation = json_object_get(source, "generation");
    const json_t *match =
        json_object_get(json_object_get(source, "objectPreconditions"), "ifGenerationMatch");
    if (generation)
        MR_TRY(read_int64(generation, &ret->generation, err));
    if (!match)
        return MR_OK;
    ret->given[EM_IF_GENERATION_MATCH] = true;
    return read_int64(match, &ret->value[EM_IF_GENERATION_MATCH], err);
}

/* What compose gathers from its sources. */
struct composition {
    struct em_incoming *incoming;
    int64_t components;
};

static enum mr_status append_source(struct em_store *store, const char *bucket, const json_t *source,
                                    struct composition *composition, struct mr_err *err)
{
    struct em_conditions conditions;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    MR_AUTO_FD int fd = -1;
    const char *name = json_string_value(json_object_get(source, "name"));
    if (!name)
        return mr_fail(err, MR_INVALID, "Required field: sourceObjects[].name");
    MR_TRY(source_conditions(source, &conditions, err));
    MR_TRY(em_store_get(store, bucket, name, &conditions, &stored, &fd, err));
    MR_TRY(append_file(fd, composition->incoming, err));
    composition->components += stored->component_count ? stored->component_count : 1;
    return MR_OK;
}

static enum mr_status append_sources(struct em_store *store, const char *bucket, const json_t *sources,
                                     struct composition *composition, struct mr_err *err)
{
    size_t count = json_array_size(sources);
    if (count < 1 || count > COMPOSE_SOURCES_MAX)
        return mr_fail(err, MR_INVALID, "The number of source components provided (%zu) is not 1 to %d.",
                       count, COMPOSE_SOURCES_MAX);
    for (size_t i = 0; i < count; i++)
        MR_TRY(append_source(store, bucket, json_array_get(sources, i), composition, err));
    return MR_OK;
}

enum mr_status em_object_compose(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_store *store = ((struct em_app *)app)->storage->store;
    MR_AUTO_JSON json_t *request = NULL;
    MR_AUTO_JSON json_t *settings = NULL;
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    struct em_store_write write = {.bucket = mr_request_param(req, "bucket"),
                                   .name = mr_request_param(req, "object")};
    MR_TRY(em_conditions_of_request(req, false, &write.conditions, err));
    MR_TRY(em_request_resource(req, &request, err));
    MR_TRY(em_settings_apply(NULL, json_object_get(request, "destination"), true, &settings, err));
    MR_TRY(em_store_check_write(store, &write, err));
    MR_TRY(em_store_incoming(store, &incoming, err));
    struct composition composition = {.incoming = incoming};
    MR_TRY(append_sources(store, write.bucket, json_object_get(request, "sourceObjects"), &composition, err));
    write.settings = settings;
    write.component_count = composition.components;
    MR_TRY(em_store_insert(store, &write, incoming, &stored, err));
    return em_answer_object(req, stored, err);
}

/* ---- rewrite and copy ------------------------------------------------------------ */

/* The copy keeps the source's settings unless the request brings its own. */
static enum mr_status copy_object(struct em_app *emulator, struct mr_request *req, struct em_stored **ret,
                                  struct mr_err *err)
{
    struct em_store *store = emulator->storage->store;
    struct em_conditions source_is;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO_JSON json_t *settings = NULL;
    MR_AUTO(em_stored) struct em_stored *source = NULL;
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_AUTO_FD int fd = -1;
    struct em_store_write write = {.bucket = mr_request_param(req, "bucket"),
                                   .name = mr_request_param(req, "object")};
    MR_TRY(em_conditions_of_request(req, false, &write.conditions, err));
    MR_TRY(em_conditions_of_request(req, true, &source_is, err));
    MR_TRY(em_request_resource(req, &resource, err));
    MR_TRY(em_store_get(store, mr_request_param(req, "sourceBucket"), mr_request_param(req, "sourceObject"),
                        &source_is, &source, &fd, err));
    MR_TRY(em_settings_apply(source->settings, resource, json_object_size(resource) > 0, &settings, err));
    MR_TRY(em_store_check_write(store, &write, err));
    MR_TRY(em_store_incoming(store, &incoming, err));
    MR_TRY(append_file(fd, incoming, err));
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
