#include "shared/http/server_remote.h"

#include <arpa/inet.h>

/* The n-th last address of X-Forwarded-For: each proxy appends the one that it was called from, so what stands
 * before our own proxies' entries may be invented. NULL if there are fewer. */
static const char *nth_last(const char *list, int n, size_t *ret_len)
{
    for (const char *end = list + strlen(list);;) {
        const char *start = end;
        while (start > list && start[-1] != ',')
            start--;
        if (--n == 0) {
            start += strspn(start, " \t");
            *ret_len = strcspn(start, " \t,");
            return start;
        }
        if (start == list)
            return NULL;
        end = start - 1;
    }
}

static bool is_address(const char *text)
{
    struct in6_addr scrap;
    return inet_pton(AF_INET, text, &scrap) == 1 || inet_pton(AF_INET6, text, &scrap) == 1;
}

void mr_remote_of(const struct mr_head *head, int proxies, const char *peer, char ret[MR_ADDRESS_MAX])
{
    const char *list = NULL; /* of several lines the last was added last */
    for (size_t i = 0; proxies > 0 && i < head->header_count; i++)
        if (strcasecmp(head->headers[i].name, "X-Forwarded-For") == 0)
            list = head->headers[i].value;
    size_t len = 0;
    const char *found = list ? nth_last(list, proxies, &len) : NULL;
    ret[0] = '\0';
    if (found && len < MR_ADDRESS_MAX)
        snprintf(ret, MR_ADDRESS_MAX, "%.*s", (int)len, found);
    if (!is_address(ret))
        snprintf(ret, MR_ADDRESS_MAX, "%s", peer);
}
