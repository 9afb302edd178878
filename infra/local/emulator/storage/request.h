/* What the handlers of Cloud Storage share: reading a request and answering with an object. */
#ifndef EM_STORAGE_REQUEST_H
#define EM_STORAGE_REQUEST_H

#include "infra/local/emulator/app.h"
#include "infra/local/emulator/storage/conditions.h"

/* The size limit of a resource, in bytes. */
enum { EM_RESOURCE_BYTES_MAX = 1024 * 1024 };

/* The conditions in the query. With `source`, those on the source of a copy ("ifSource…", sourceGeneration).
 * MR_INVALID for a malformed one. */
MR_MUST_CHECK enum mr_status em_conditions_of_request(const struct mr_request *req, bool source,
                                                      struct em_conditions *ret, struct mr_err *err);
/* The entries of one page of a list at most: maxResults, from 1 to EM_LIST_MAX; absent or 0: EM_LIST_MAX. */
enum { EM_LIST_MAX = 1000 };
MR_MUST_CHECK enum mr_status em_request_max_results(const struct mr_request *req, size_t *ret,
                                                    struct mr_err *err);
/* The body as a JSON object; an empty object if there is no body, or null. The caller owns *ret. MR_INVALID for
 * anything else, MR_TOO_LARGE above EM_RESOURCE_BYTES_MAX. */
MR_MUST_CHECK enum mr_status em_request_resource(struct mr_request *req, json_t **ret, struct mr_err *err);
/* False if the query's `fields` name some fields of a resource, but not this one. Only names at the top are understood;
 * anything else asks for all. Source: https://cloud.google.com/storage/docs/json_api#partial-response */
bool em_request_wants(const struct mr_request *req, const char *field);

/* Answers 200 with the object's resource, or the fields of it that are wanted. */
MR_MUST_CHECK enum mr_status em_answer_object(struct mr_request *req, const struct em_stored *stored,
                                              struct mr_err *err);

#endif
