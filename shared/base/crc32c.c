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

/* a × b modulo CRC32C's polynomial, over GF(2); bit 31 is the coefficient of x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    const uint32_t polynomial = 0x82f63b78;
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b & 1 ? b >> 1 ^ polynomial : b >> 1;
    }
    return product;
}

/* The bytes that follow multiply the first checksum by x^8 each. */
uint32_t mr_crc32c_combine(uint32_t first, uint32_t second, int64_t second_len)
{
    uint32_t power = UINT32_C(1) << 23; /* x^8 */
    for (uint64_t left = second_len > 0 ? (uint64_t)second_len : 0; left; left >>= 1) {
        if (left & 1)
            first = multiply(first, power);
        power = multiply(power, power);
    }
    return first ^ second;
}

void mr_crc32c_text(uint32_t crc, char out[9])
{
    unsigned char big_endian[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                                   (unsigned char)(crc >> 8), (unsigned char)crc};
    EVP_EncodeBlock((unsigned char *)out, big_endian, sizeof big_endian);
}
