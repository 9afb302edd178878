#include "shared/base/crc32c.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>

uint32_t mr_crc32c(uint32_t crc, const void *data, size_t len)
{
    /* ISA-L expects its caller to invert the value before and after, and takes an int as length. */
    const unsigned char *bytes = data;
    crc = ~crc;
    while (len) {
        int step = len > (1 << 30) ? 1 << 30 : (int)len;
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes, step, crc);
        bytes += step;
        len -= (size_t)step;
    }
    return ~crc;
}

void mr_crc32c_text(uint32_t crc, char out[9])
{
    unsigned char big_endian[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                                   (unsigned char)(crc >> 8), (unsigned char)crc};
    EVP_EncodeBlock((unsigned char *)out, big_endian, sizeof big_endian);
}
