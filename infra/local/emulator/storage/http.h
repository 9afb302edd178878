/* What the handlers of Cloud Storage share: the handlers' names, and the ways between a request and the
 * store.
 */
#ifndef EM_STORAGE_HTTP_H
#define EM_STORAGE_HTTP_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/storage/session.h"
#include "infra/local/emulator/storage/store.h"
#include "shared/http/form.h"

struct em_storage {
    struct em_store *store;
    struct em_upload_sessions *sessions;
};

/* The most that an object may hold: https://cloud.google.com/storage/quotas#objects */
#define EM_OBJECT_BYTES_MAX (5LL * 1024 * 1024 * 1024 * 1024)
enum { EM_RESOURCE_BYTES_MAX = 1024 * 1024 };

/* The conditions of the query; of a copy's source ("ifSource…", sourceGeneration) if source. */
MR_MUST_CHECK enum mr_status em_conditions_of_request(const struct mr_request *req, bool source,
                                                      struct em_conditions *ret, struct mr_err *err);
/* The body as a JSON object; an empty one if there is no body. The caller owns *ret. */
MR_MUST_CHECK enum mr_status em_request_resource(struct mr_request *req, json_t **ret, struct mr_err *err);
/* 200 with the object's resource. */
MR_MUST_CHECK enum mr_status em_answer_object(struct mr_request *req, const struct em_stored *stored,
                                              struct mr_err *err);
/* Reads source to its end into incoming. */
MR_MUST_CHECK enum mr_status em_receive(mr_form_source *source, void *ctx, struct em_incoming *incoming,
                                        struct mr_err *err);
/* mr_request_read as a source. */
enum mr_status em_request_source(void *req, void *data, size_t len, size_t *ret_len, struct mr_err *err);

/* What a request wants to write; free in every case. */
struct em_upload_plan {
    struct em_store_write write; /* points into the fields below and into the request */
    char *name;
    json_t *settings;
};
void em_upload_plan_free(struct em_upload_plan *plan);
MR_DEFINE_VALUE_CLEANUP(em_upload_plan, em_upload_plan_free)
/*
 * From the query, the X-Goog-Hash header, and the client's resource (NULL: none). The name stands in the
 * query or in the resource; two different ones are MR_INVALID. content_type (NULL: none) serves where the
 * resource has none.
 */
MR_MUST_CHECK enum mr_status em_upload_plan_make(const struct mr_request *req, const json_t *resource,
                                                 const char *content_type, struct em_upload_plan *ret,
                                                 struct mr_err *err);

/* Handlers. */
mr_handler em_bucket_insert, em_bucket_list, em_bucket_get, em_bucket_patch, em_bucket_delete;
mr_handler em_bucket_test_permissions;
mr_handler em_object_list, em_object_get, em_object_patch, em_object_update, em_object_delete;
mr_handler em_object_compose, em_object_rewrite, em_object_copy;
mr_handler em_upload_post, em_upload_put, em_upload_delete;
mr_handler em_object_download, em_xml_get, em_xml_put, em_xml_post, em_xml_delete;

/* Parts of these that others continue with. */
mr_handler em_resumable_start, em_resumable_continue;
MR_MUST_CHECK enum mr_status em_download(struct em_app *emulator, struct mr_request *req, const char *bucket,
                                         const char *name, struct mr_err *err);
/* Starts a session for plan and answers http_status with its Location. */
MR_MUST_CHECK enum mr_status em_resumable_answer(struct em_app *emulator, struct mr_request *req,
                                                 const struct em_upload_plan *plan, int http_status,
                                                 struct mr_err *err);

#endif
