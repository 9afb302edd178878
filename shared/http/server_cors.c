#include "shared/http/server_cors.h"

static const char allow_origin[] = "Access-Control-Allow-Origin: ";

const char *mr_cors_allowed(const struct mr_cors *cors, const char *origin)
{
    if (!cors->origins || !origin)
        return NULL;
    for (const char *p = cors->origins + strspn(cors->origins, ", "); *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ", ");
        if (len == 1 && *p == '*')
            return "*";
        if (len == strlen(origin) && memcmp(p, origin, len) == 0)
            return origin;
        p += len;
    }
    return NULL;
}

enum mr_status mr_cors_append(const struct mr_cors *cors, const struct mr_head *head, const char *own,
                              struct mr_buf *out, struct mr_err *err)
{
    if (!cors->origins || !cors->origins[0] || strstr(own, allow_origin))
        return MR_OK;
    const char *origin = mr_cors_allowed(cors, mr_head_find(head, "Origin"));
    if (!origin || strcmp(origin, "*") != 0)
        MR_TRY(mr_buf_append_str(out, "Vary: Origin\r\n", err));
    if (!origin)
        return MR_OK;
    return mr_buf_appendf(out, err, "%s%s\r\nAccess-Control-Expose-Headers: %s\r\n", allow_origin, origin,
                          cors->exposed);
}
