#include "shared/base/random.h"

#include "shared/base/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <sys/random.h>

enum mr_status mr_random_bytes(void *out, size_t len, struct mr_err *err)
{
    unsigned char *bytes = out;
    while (len) {
        ssize_t n = getrandom(bytes, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mr_fail_errno(err, MR_INTERNAL, errno, "getrandom");
        bytes += n;
        len -= (size_t)n;
    }
    return MR_OK;
}

enum mr_status mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err)
{
    unsigned char b[16];
    MR_TRY(mr_random_bytes(b, sizeof b, err));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant 10 */
    char hex[33];
    mr_hex_encode(b, sizeof b, hex);
    snprintf(out, MR_UUID_TEXT_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return MR_OK;
}

bool mr_uuid_is_valid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[36] == '\0';
}
