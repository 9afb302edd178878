/* The pool of libcurl handles behind a struct mr_http_client, for the files client*.c. Any thread may take one; it
 * belongs to that thread until it gives it back. */
#ifndef MR_HTTP_CLIENT_HANDLES_H
#define MR_HTTP_CLIENT_HANDLES_H

#include "shared/http/client.h"

#include <curl/curl.h>

enum { MR_CLIENT_CONNECTIONS_PER_HANDLE = 4 }; /* storage, Pub/Sub, metadata and one more */

/* An idle handle, or a new one; NULL without memory. User-Agent is set. */
CURL *mr_client_handle_take(struct mr_http_client *client);
/* The handle loses its options, but keeps its open connections and DNS cache. */
void mr_client_handle_give_back(struct mr_http_client *client, CURL *curl);

#endif
