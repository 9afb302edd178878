/* A whole object in one request, for the files storage*.c. */
#ifndef MR_GCP_STORAGE_PUT_H
#define MR_GCP_STORAGE_PUT_H

#include "shared/gcp/storage_client.h"

enum { MR_MULTIPART_ROOM = 16 * 1024 }; /* bytes that the multipart form adds at most */

/* Writes data as a new object in one multipart request. data is consumed; its cap must leave
 * MR_MULTIPART_ROOM. */
MR_MUST_CHECK enum mr_status mr_storage_insert(struct mr_storage *storage, const char *name,
                                               const char *content_type, struct mr_buf *data, uint32_t crc32c,
                                               struct mr_object *ret, struct mr_err *err);

#endif
