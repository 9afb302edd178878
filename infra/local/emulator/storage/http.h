/* What the handlers of Cloud Storage share: the handlers' names, and the ways between a request and the
 * store.
 */
#ifndef MR_EMULATOR_STORAGE_HTTP_H
#define MR_EMULATOR_STORAGE_HTTP_H

#include "infra/local/emulator/emulator.h"
#include "infra/local/emulator/storage/session.h"
#include "infra/local/emulator/storage/store.h"
#include "shared/http/form.h"

struct mr_storage_emulator {
    struct mr_store *store;
    struct mr_upload_sessions *sessions;
};

/* The most that an object may hold: https://cloud.google.com/storage/quotas#objects */
#define MR_OBJECT_BYTES_MAX (5LL * 1024 * 1024 * 1024 * 1024)
enum { MR_RESOURCE_BYTES_MAX = 1024 * 1024 };

/* The conditions of the query; of a copy's source ("ifSource…", sourceGeneration) if source. */
MR_MUST_CHECK enum mr_status mr_conditions_of_request(const struct mr_request *req, bool source,
                                                      struct mr_conditions *ret, struct mr_err *err);
/* The body as a JSON object; an empty one if there is no body. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_request_resource(struct mr_request *req, json_t **ret, struct mr_err *err);
/* 200 with the object's resource. */
MR_MUST_CHECK enum mr_status mr_answer_object(struct mr_request *req, const struct mr_stored *stored,
                                              struct mr_err *err);
/* Reads source to its end into incoming. */
MR_MUST_CHECK enum mr_status mr_receive(mr_form_source *source, void *ctx, struct mr_incoming *incoming,
                                        struct mr_err *err);
/* mr_request_read as a source. */
enum mr_status mr_request_source(void *req, void *data, size_t len, size_t *ret_len, struct mr_err *err);

/* What a request wants to write; free in every case. */
struct mr_upload_plan {
    struct mr_store_write write; /* points into the fields below and into the request */
    char *name;
    json_t *settings;
};
void mr_upload_plan_free(struct mr_upload_plan *plan);
MR_DEFINE_VALUE_CLEANUP(mr_upload_plan, mr_upload_plan_free)
/*
 * From the query, the X-Goog-Hash header, and the client's resource (NULL: none). The name stands in the
 * query or in the resource; two different ones are MR_INVALID. content_type (NULL: none) serves where the
 * resource has none.
 */
MR_MUST_CHECK enum mr_status mr_upload_plan_make(const struct mr_request *req, const json_t *resource,
                                                 const char *content_type, struct mr_upload_plan *ret,
                                                 struct mr_err *err);

/* Handlers. */
mr_handler mr_bucket_insert, mr_bucket_list, mr_bucket_get, mr_bucket_patch, mr_bucket_delete;
mr_handler mr_bucket_test_permissions;
mr_handler mr_object_list, mr_object_get, mr_object_patch, mr_object_update, mr_object_delete;
mr_handler mr_object_compose, mr_object_rewrite, mr_object_copy;
mr_handler mr_upload_post, mr_upload_put, mr_upload_delete;
mr_handler mr_object_download, mr_xml_get, mr_xml_put, mr_xml_post, mr_xml_delete;

/* Parts of these that others continue with. */
mr_handler mr_resumable_start, mr_resumable_continue;
MR_MUST_CHECK enum mr_status mr_download(struct mr_emulator *emulator, struct mr_request *req,
                                         const char *bucket, const char *name, struct mr_err *err);
/* Starts a session for plan and answers http_status with its Location. */
MR_MUST_CHECK enum mr_status mr_resumable_answer(struct mr_emulator *emulator, struct mr_request *req,
                                                 const struct mr_upload_plan *plan, int http_status,
                                                 struct mr_err *err);

#endif
