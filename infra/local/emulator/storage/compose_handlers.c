/*
 * Compose: an object from the bytes of up to 32 others. The kernel copies them from file to file, and their
 * CRC32C follows from those of the sources; the new object is as atomic as an uploaded one.
 * Source: https://cloud.google.com/storage/docs/json_api/v1/objects/compose
 */
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/settings.h"
#include "shared/base/encoding.h"

#include <inttypes.h>

enum { COMPOSE_SOURCES_MAX = 32 };

/* Reads a generation: a decimal string in JSON, though some clients send a number. */
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

/* The sources appended so far. */
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
    MR_TRY(em_incoming_append_object(composition->incoming, fd, stored->size, stored->digest.crc32c, err));
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
