/*
 * The two checksums that Cloud Storage keeps for an object (MD5 and CRC32C), computed while the bytes arrive, and
 * the checksums that a client expects. Source: https://cloud.google.com/storage/docs/data-validation
 */
#ifndef EM_STORAGE_HASH_H
#define EM_STORAGE_HASH_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

#include <openssl/evp.h>
#include <stdint.h>

enum { EM_MD5_SIZE = 16 };

/* Zero-initialise, then call em_hash_begin. Only one thread may use it at a time. */
struct em_hash {
    EVP_MD_CTX *md5;
    uint32_t crc32c;
    bool without_md5; /* nobody asks for it; set it before the first byte */
};

struct em_digest {
    bool has_md5;
    bool has_crc32c;
    unsigned char md5[EM_MD5_SIZE];
    uint32_t crc32c;
};

MR_MUST_CHECK enum mr_status em_hash_begin(struct em_hash *hash, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_hash_update(struct em_hash *hash, const void *data, size_t len,
                                            struct mr_err *err);
/* Adds size bytes that have this CRC32C, without reading them. There is no MD5 then. */
void em_hash_combine(struct em_hash *hash, uint32_t crc32c, int64_t size);
/* The checksums of the bytes so far; more may follow. */
MR_MUST_CHECK enum mr_status em_hash_get(const struct em_hash *hash, struct em_digest *ret,
                                         struct mr_err *err);
void em_hash_free(struct em_hash *hash);

/* Adds the checksums of an X-Goog-Hash header ("crc32c=…,md5=…"); NULL adds nothing. MR_INVALID if it is
 * malformed. */
MR_MUST_CHECK enum mr_status em_digest_add_header(struct em_digest *digest, const char *value,
                                                  struct mr_err *err);
/* Adds md5Hash and crc32c of an object resource, as far as it has them. */
MR_MUST_CHECK enum mr_status em_digest_add_resource(struct em_digest *digest, const json_t *resource,
                                                    struct mr_err *err);
/* Adds one base64 MD5 (Content-MD5); NULL adds nothing. */
MR_MUST_CHECK enum mr_status em_digest_add_md5(struct em_digest *digest, const char *base64,
                                               struct mr_err *err);

/* MR_INVALID if a checksum in `expected` differs from the one in `actual`. */
MR_MUST_CHECK enum mr_status em_digest_compare(const struct em_digest *expected,
                                               const struct em_digest *actual, struct mr_err *err);

/* base64 of the MD5: 24 characters and a NUL. */
void em_md5_text(const unsigned char md5[EM_MD5_SIZE], char out[25]);

#endif
