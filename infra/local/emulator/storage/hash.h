/*
 * The two checksums that Cloud Storage keeps of an object, computed as its bytes pass by, and those that a
 * client announces. Source: https://cloud.google.com/storage/docs/data-validation
 */
#ifndef MR_EMULATOR_STORAGE_HASH_H
#define MR_EMULATOR_STORAGE_HASH_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

#include <openssl/evp.h>
#include <stdint.h>

enum { MR_MD5_SIZE = 16 };

/* Zero-initialise, then mr_hash_begin. Owned by one thread at a time. */
struct mr_hash {
    EVP_MD_CTX *md5;
    uint32_t crc32c;
};

struct mr_digest {
    bool has_md5;
    bool has_crc32c;
    unsigned char md5[MR_MD5_SIZE];
    uint32_t crc32c;
};

MR_MUST_CHECK enum mr_status mr_hash_begin(struct mr_hash *hash, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_hash_update(struct mr_hash *hash, const void *data, size_t len,
                                            struct mr_err *err);
/* The checksums of what has passed so far; more may follow. */
MR_MUST_CHECK enum mr_status mr_hash_get(const struct mr_hash *hash, struct mr_digest *ret,
                                         struct mr_err *err);
void mr_hash_free(struct mr_hash *hash);

/* Adds what an X-Goog-Hash header ("crc32c=…,md5=…") announces; NULL adds nothing. MR_INVALID if malformed.
 */
MR_MUST_CHECK enum mr_status mr_digest_add_header(struct mr_digest *digest, const char *value,
                                                  struct mr_err *err);
/* Adds md5Hash and crc32c of an object resource. */
MR_MUST_CHECK enum mr_status mr_digest_add_resource(struct mr_digest *digest, const json_t *resource,
                                                    struct mr_err *err);
/* Adds one base64 MD5 (Content-MD5); NULL adds nothing. */
MR_MUST_CHECK enum mr_status mr_digest_add_md5(struct mr_digest *digest, const char *base64,
                                               struct mr_err *err);

/* MR_INVALID if `expected` holds a checksum that differs from `actual`'s. */
MR_MUST_CHECK enum mr_status mr_digest_compare(const struct mr_digest *expected,
                                               const struct mr_digest *actual, struct mr_err *err);

/* base64 of the MD5: 24 characters and a NUL. */
void mr_md5_text(const unsigned char md5[MR_MD5_SIZE], char out[25]);

#endif
