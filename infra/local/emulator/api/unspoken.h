/* Routes of Google's APIs that the emulator does not speak: 501, with the route's name. */
#ifndef EM_API_UNSPOKEN_H
#define EM_API_UNSPOKEN_H

#include "infra/local/emulator/api/router.h"

/* Everything else below the paths of the JSON APIs. These rows belong behind those, and before the XML API of Cloud
 * Storage, whose "/{bucket}/{object*}" matches almost any path. */
const struct em_spoken *em_unspoken_rows(size_t *ret_count);
/* The same for whole buckets in the XML API; the last rows of the table. */
const struct em_spoken *em_unspoken_xml_rows(size_t *ret_count);

/* Fails with 501 and the name of the request's route. */
enum mr_status em_unspoken_route(const struct mr_request *req, struct mr_err *err);

/* True if the path ends with a verb (".../topics/T:getIamPolicy") and the pattern, which matches it, does not: no
 * resource of the newer APIs has a colon in its name. */
bool em_has_other_verb(const char *pattern, const char *path);

#define EM_ROUTE_NAME_MAX 128
/* The name of a path as mr_request_path has it: without the ids of resources, up to the first word that the emulator
 * does not know. "/storage/v1/b/music/o/a/moveTo/o/b" is "b/{}/o/{}/moveTo", "/v1/projects/p/topics/t:x" is
 * "v1/projects/{}/topics/{}:x". */
void em_route_name(const char *path, char out[EM_ROUTE_NAME_MAX]);

#endif
