#include "shared/gcp/metadata.h"

#include "shared/gcp/unauthenticated_call.h"

enum { URL_MAX = 1024, TIMEOUT_MS = 3000 };

/* Google's client libraries use the same numbers. */
static const struct mr_retry policy = {.attempts = 5, .base_ms = 200, .cap_ms = 3000, .total_ms = 15000};

enum mr_status mr_metadata_get(struct mr_http_client *http, const char *host, const char *path,
                               struct mr_http_response *res, struct mr_err *err)
{
    static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(URL_MAX);
    MR_TRY(mr_buf_appendf(&url, err, "http://%s/computeMetadata/v1/%s", host, path));
    struct mr_http_request req = {.method = "GET",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .connect_timeout_ms = TIMEOUT_MS,
                                  .timeout_ms = TIMEOUT_MS};
    enum mr_status status = mr_unauthenticated_call(http, &req, &policy, res, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "metadata server");
    char flavor[16];
    if (!mr_http_response_header(res, "Metadata-Flavor", flavor, sizeof flavor) ||
        strcmp(flavor, "Google") != 0)
        return mr_fail(err, MR_UNAVAILABLE, "%s is not a metadata server: no Metadata-Flavor: Google", host);
    return MR_OK;
}
