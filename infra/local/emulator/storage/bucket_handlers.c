/* Handlers of buckets: https://cloud.google.com/storage/docs/json_api/v1/buckets */
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"

/* A copy of the resource with its link. NULL without memory. */
static json_t *with_link(const struct mr_request *req, const json_t *resource)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)resource);
    const char *name = json_string_value(json_object_get(resource, "name"));
    json_t *link = json_sprintf("%s/storage/v1/b/%s", mr_request_base_url(req), name);
    if (json_object_set_new(copy, "selfLink", link) < 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

static enum mr_status answer_bucket(struct mr_request *req, const json_t *resource, struct mr_err *err)
{
    json_t *answer = with_link(req, resource);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

/* Lists of generations, and the layout, answer for buckets without these. */
static enum mr_status check_features(const json_t *resource, struct mr_err *err)
{
    static const char *const features[] = {"versioning", "hierarchicalNamespace"};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (json_is_true(json_object_get(json_object_get(resource, features[i]), "enabled")))
            return mr_fail_code(err, MR_CODE_UNIMPLEMENTED,
                                "The emulator does not speak %s.enabled=true of a bucket.", features[i]);
    return MR_OK;
}

enum mr_status em_bucket_insert(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *given = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    if (!mr_request_query(req, "project"))
        return mr_fail(err, MR_INVALID, "Required parameter: project");
    MR_TRY(em_request_resource(req, &given, err));
    MR_TRY(check_features(given, err));
    MR_TRY(em_store_bucket_insert(emulator->storage->store, given, &resource, err));
    return answer_bucket(req, resource, err);
}

static const char *name_at(const json_t *resources, size_t at)
{
    return json_string_value(json_object_get(json_array_get(resources, at), "name"));
}

/* A page begins after the name that is its token. */
static size_t first_of_page(const struct mr_request *req, const json_t *resources)
{
    const char *after = mr_request_query(req, "pageToken");
    size_t at = 0;
    while (after && at < json_array_size(resources) && strcmp(name_at(resources, at), after) <= 0)
        at++;
    return at;
}

enum mr_status em_bucket_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *prefix = mr_request_query(req, "prefix");
    MR_AUTO_JSON json_t *resources = NULL;
    size_t max = 0;
    MR_TRY(em_request_max_results(req, &max, err));
    MR_TRY(em_store_bucket_list(emulator->storage->store, prefix ? prefix : "", &resources, err));
    size_t at = first_of_page(req, resources);
    const char *next = NULL;
    MR_AUTO_JSON json_t *items = json_array();
    for (; at < json_array_size(resources) && !next; at++) {
        if (json_array_append_new(items, with_link(req, json_array_get(resources, at))) < 0)
            return mr_fail_oom(err);
        if (json_array_size(items) == max && at + 1 < json_array_size(resources))
            next = name_at(resources, at);
    }
    /* As with Google, an empty list has no "items". */
    json_t *answer = json_pack("{s:s, s:O*, s:s*}", "kind", "storage#buckets", "items",
                               json_array_size(items) ? items : NULL, "nextPageToken", next);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

enum mr_status em_bucket_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &resource, err));
    return answer_bucket(req, resource, err);
}

/* Every caller has every permission on a bucket that exists, so the answer repeats the question. */
enum mr_status em_bucket_test_permissions(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &resource, err));
    MR_AUTO_STR char *query = strdup(mr_request_query_string(req));
    MR_AUTO_JSON json_t *granted = json_array();
    if (!query || !granted)
        return mr_fail_oom(err);
    static const char name[] = "permissions=";
    char *rest = NULL;
    for (char *pair = strtok_r(query, "&", &rest); pair; pair = strtok_r(NULL, "&", &rest))
        if (strncmp(pair, name, sizeof name - 1) == 0 &&
            json_array_append_new(granted, json_string(pair + sizeof name - 1)) < 0)
            return mr_fail(err, MR_INVALID, "Invalid permission");
    return mr_respond_json(
        req, 200,
        json_pack("{s:s, s:O}", "kind", "storage#testIamPermissionsResponse", "permissions", granted), err);
}

/* No bucket has a hierarchical namespace. */
enum mr_status em_bucket_storage_layout(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *bucket = NULL;
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket, err));
    json_t *answer = json_pack(
        "{s:s, s:O, s:O, s:O, s:{s:b}}", "kind", "storage#storageLayout", "bucket",
        json_object_get(bucket, "name"), "location", json_object_get(bucket, "location"), "locationType",
        json_object_get(bucket, "locationType"), "hierarchicalNamespace", "enabled", 0);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

/* There are none, as nothing makes them. */
enum mr_status em_managed_folder_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    MR_AUTO_JSON json_t *bucket = NULL;
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket, err));
    json_t *answer = json_pack("{s:s}", "kind", "storage#managedFolders");
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

enum mr_status em_bucket_patch(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    struct em_conditions conditions;
    MR_AUTO_JSON json_t *changes = NULL;
    MR_AUTO_JSON json_t *resource = NULL;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(em_request_resource(req, &changes, err));
    MR_TRY(check_features(changes, err));
    MR_TRY(em_store_bucket_patch(emulator->storage->store, mr_request_param(req, "bucket"), &conditions,
                                 changes, &resource, err));
    return answer_bucket(req, resource, err);
}

enum mr_status em_bucket_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    struct em_conditions conditions;
    MR_TRY(em_conditions_of_request(req, false, &conditions, err));
    MR_TRY(
        em_store_bucket_delete(emulator->storage->store, mr_request_param(req, "bucket"), &conditions, err));
    return mr_respond_empty(req, 204, err);
}
