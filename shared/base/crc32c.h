/* CRC32C (Castagnoli), the checksum of Cloud Storage. All functions are pure; any thread may call them. */
#ifndef MR_BASE_CRC32C_H
#define MR_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC32C (Castagnoli) of more bytes after `crc`; begin with 0. As Cloud Storage's crc32c, before base64. */
uint32_t mr_crc32c(uint32_t crc, const void *data, size_t len);
/* CRC32C of two pieces, one after the other, from the checksums of both and the length of the second. */
uint32_t mr_crc32c_combine(uint32_t first, uint32_t second, int64_t second_len);
/* Cloud Storage's text form: base64 of the big-endian value; out gets 8 characters and a NUL. */
void mr_crc32c_text(uint32_t crc, char out[9]);

#endif
