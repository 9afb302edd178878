#include "web/api/conditions.h"

#include <string.h>

bool mr_etag_is_listed(const char *header, const char *etag, bool weak)
{
    static const char between[] = " \t,";
    for (const char *at = header + strspn(header, between); *at; at += strspn(at, between)) {
        if (*at == '*')
            return true;
        bool is_weak = strncmp(at, "W/", 2) == 0;
        at += is_weak ? 2 : 0;
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (!end)
            return false;
        size_t len = (size_t)(end + 1 - at);
        if ((weak || !is_weak) && len == strlen(etag) && memcmp(at, etag, len) == 0)
            return true;
        at = end + 1;
    }
    return false;
}
