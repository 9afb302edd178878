#include "infra/local/emulator/storage/upload_plan.h"

#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/settings.h"
#include "shared/base/encoding.h"

#include <strings.h>

enum { RECEIVE_BYTES = 256 * 1024 };

void em_upload_plan_free(struct em_upload_plan *plan)
{
    free(plan->name);
    json_decref(plan->settings);
    *plan = (struct em_upload_plan){0};
}

/* The object's name, from the query or from the resource. */
static enum mr_status plan_name(const struct mr_request *req, const json_t *resource, char **ret,
                                struct mr_err *err)
{
    const char *in_query = mr_request_query(req, "name");
    const char *in_resource = json_string_value(json_object_get(resource, "name"));
    if (in_query && in_resource && strcmp(in_query, in_resource))
        return mr_fail(err, MR_INVALID, "Value '%s' in content does not agree with value '%s'.", in_resource,
                       in_query);
    const char *name = in_query ? in_query : in_resource;
    if (!name)
        return mr_fail(err, MR_INVALID, "Required parameter: name");
    *ret = strdup(name);
    return *ret ? em_object_name_check(name, err) : mr_fail_oom(err);
}

/* Sets what the resource has not set; NULL and "" set nothing. */
static enum mr_status set_default(json_t *settings, const char *name, const char *value, struct mr_err *err)
{
    if (!value || !*value || json_object_get(settings, name))
        return MR_OK;
    return json_object_set_new(settings, name, json_string(value)) < 0 ? mr_fail_oom(err) : MR_OK;
}

enum mr_status em_upload_plan_make(const struct mr_request *req, const json_t *resource,
                                   const char *content_type, struct em_upload_plan *ret, struct mr_err *err)
{
    MR_TRY(plan_name(req, resource, &ret->name, err));
    MR_TRY(em_settings_apply(NULL, resource, true, &ret->settings, err));
    MR_TRY(set_default(ret->settings, "contentType", content_type, err));
    MR_TRY(set_default(ret->settings, "contentEncoding", mr_request_query(req, "contentEncoding"), err));
    struct em_store_write *write = &ret->write;
    MR_TRY(em_digest_add_resource(&write->expected, resource, err));
    MR_TRY(em_digest_add_header(&write->expected, mr_request_header(req, "X-Goog-Hash"), err));
    MR_TRY(em_conditions_of_request(req, false, &write->conditions, err));
    write->bucket = mr_request_param(req, "bucket");
    write->name = ret->name;
    write->settings = ret->settings;
    write->without_md5 = !em_request_wants(req, "md5Hash");
    return MR_OK;
}

/* The XML API sets metadata and the other settings by headers. NULL without memory. */
static json_t *resource_of_headers(const struct mr_request *req)
{
    static const char *const settings[][2] = {{"Content-Type", "contentType"},
                                              {"Cache-Control", "cacheControl"},
                                              {"Content-Disposition", "contentDisposition"},
                                              {"Content-Encoding", "contentEncoding"},
                                              {"Content-Language", "contentLanguage"},
                                              {"x-goog-custom-time", "customTime"}};
    static const char prefix[] = "x-goog-meta-";
    MR_AUTO_JSON json_t *resource = json_pack("{s:{}}", "metadata");
    const char *name, *value;
    for (size_t i = 0; resource && mr_request_header_at(req, i, &name, &value); i++) {
        if (!strncasecmp(name, prefix, strlen(prefix)) &&
            json_object_set_new(json_object_get(resource, "metadata"), name + strlen(prefix),
                                json_string(value)) < 0)
            return NULL;
    }
    for (size_t i = 0; resource && i < sizeof settings / sizeof *settings; i++) {
        value = mr_request_header(req, settings[i][0]);
        if (value && json_object_set_new(resource, settings[i][1], json_string(value)) < 0)
            return NULL;
    }
    return MR_TAKE(resource);
}

enum mr_status em_upload_plan_make_xml(const struct mr_request *req, struct em_upload_plan *ret,
                                       struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = resource_of_headers(req);
    if (!resource)
        return mr_fail_oom(err);
    struct em_store_write *write = &ret->write;
    ret->name = strdup(mr_request_param(req, "object"));
    if (!ret->name)
        return mr_fail_oom(err);
    MR_TRY(mr_percent_decode(ret->name, false, err));
    MR_TRY(em_settings_apply(NULL, resource, true, &ret->settings, err));
    MR_TRY(em_digest_add_header(&write->expected, mr_request_header(req, "X-Goog-Hash"), err));
    MR_TRY(em_digest_add_md5(&write->expected, mr_request_header(req, "Content-MD5"), err));
    MR_TRY(em_conditions_set(&write->conditions, EM_IF_GENERATION_MATCH,
                             mr_request_header(req, "x-goog-if-generation-match"), err));
    write->bucket = mr_request_param(req, "bucket");
    write->name = ret->name;
    write->settings = ret->settings;
    return MR_OK;
}

static enum mr_status receive(mr_form_source *source, void *ctx, struct em_incoming *incoming,
                              struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(RECEIVE_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    for (;;) {
        size_t len = 0;
        MR_TRY(source(ctx, chunk, RECEIVE_BYTES, &len, err));
        if (len == 0)
            return MR_OK;
        MR_TRY(em_incoming_write(incoming, chunk, len, err));
    }
}

enum mr_status em_upload_plan_execute(const struct em_upload_plan *plan, struct em_store *store,
                                      mr_form_source *source, void *ctx, struct em_stored **ret,
                                      struct mr_err *err)
{
    MR_AUTO(em_incoming) struct em_incoming *incoming = NULL;
    MR_TRY(em_store_check_write(store, &plan->write, err));
    MR_TRY(em_store_incoming(store, &incoming, err));
    incoming->hash.without_md5 = plan->write.without_md5 && !plan->write.expected.has_md5;
    MR_TRY(receive(source, ctx, incoming, err));
    return em_store_insert(store, &plan->write, incoming, ret, err);
}

enum mr_status em_request_source(void *req, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    return mr_request_read(req, data, len, ret_len, err);
}
