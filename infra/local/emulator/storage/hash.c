#include "infra/local/emulator/storage/hash.h"

#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"

enum mr_status em_hash_begin(struct em_hash *hash, struct mr_err *err)
{
    hash->crc32c = 0;
    hash->md5 = EVP_MD_CTX_new();
    if (!hash->md5 || EVP_DigestInit_ex(hash->md5, EVP_md5(), NULL) != 1)
        return mr_fail_oom(err);
    return MR_OK;
}

enum mr_status em_hash_update(struct em_hash *hash, const void *data, size_t len, struct mr_err *err)
{
    hash->crc32c = mr_crc32c(hash->crc32c, data, len);
    if (!hash->without_md5 && EVP_DigestUpdate(hash->md5, data, len) != 1)
        return mr_fail(err, MR_INTERNAL, "OpenSSL could not compute the MD5");
    return MR_OK;
}

void em_hash_combine(struct em_hash *hash, uint32_t crc32c, int64_t size)
{
    hash->crc32c = mr_crc32c_combine(hash->crc32c, crc32c, size);
    hash->without_md5 = true;
}

enum mr_status em_hash_get(const struct em_hash *hash, struct em_digest *ret, struct mr_err *err)
{
    struct em_digest digest = {.has_md5 = !hash->without_md5, .has_crc32c = true, .crc32c = hash->crc32c};
    if (!digest.has_md5) {
        *ret = digest;
        return MR_OK;
    }
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    bool done =
        copy && EVP_MD_CTX_copy_ex(copy, hash->md5) == 1 && EVP_DigestFinal_ex(copy, digest.md5, NULL) == 1;
    EVP_MD_CTX_free(copy);
    if (!done)
        return mr_fail_oom(err);
    *ret = digest;
    return MR_OK;
}

void em_hash_free(struct em_hash *hash)
{
    EVP_MD_CTX_free(hash->md5);
    hash->md5 = NULL;
}

/* Decodes base64 into exactly `size` bytes. */
static bool decode_exactly(const char *text, size_t text_len, unsigned char *out, size_t size)
{
    unsigned char *data = NULL;
    size_t len = 0;
    if (mr_base64_decode(text, text_len, &data, &len, NULL) != MR_OK)
        return false;
    bool fits = len == size;
    if (fits)
        memcpy(out, data, size);
    free(data);
    return fits;
}

static enum mr_status add_md5(struct em_digest *digest, const char *text, size_t len, struct mr_err *err)
{
    if (!decode_exactly(text, len, digest->md5, sizeof digest->md5))
        return mr_fail(err, MR_INVALID, "Invalid MD5 value: %.*s", (int)len, text);
    digest->has_md5 = true;
    return MR_OK;
}

static enum mr_status add_crc32c(struct em_digest *digest, const char *text, size_t len, struct mr_err *err)
{
    unsigned char big_endian[4];
    if (!decode_exactly(text, len, big_endian, sizeof big_endian))
        return mr_fail(err, MR_INVALID, "Invalid CRC32C value: %.*s", (int)len, text);
    digest->crc32c = (uint32_t)big_endian[0] << 24 | (uint32_t)big_endian[1] << 16 |
                     (uint32_t)big_endian[2] << 8 | big_endian[3];
    digest->has_crc32c = true;
    return MR_OK;
}

enum mr_status em_digest_add_header(struct em_digest *digest, const char *value, struct mr_err *err)
{
    for (const char *item = value; item && *item;) {
        item += strspn(item, ", \t");
        size_t len = strcspn(item, ", \t");
        if (len > 4 && !strncmp(item, "md5=", 4))
            MR_TRY(add_md5(digest, item + 4, len - 4, err));
        else if (len > 7 && !strncmp(item, "crc32c=", 7))
            MR_TRY(add_crc32c(digest, item + 7, len - 7, err));
        else if (len)
            return mr_fail(err, MR_INVALID, "Invalid X-Goog-Hash: %s", value);
        item += len;
    }
    return MR_OK;
}

enum mr_status em_digest_add_resource(struct em_digest *digest, const json_t *resource, struct mr_err *err)
{
    const char *md5 = json_string_value(json_object_get(resource, "md5Hash"));
    const char *crc32c = json_string_value(json_object_get(resource, "crc32c"));
    if (md5)
        MR_TRY(add_md5(digest, md5, strlen(md5), err));
    if (crc32c)
        MR_TRY(add_crc32c(digest, crc32c, strlen(crc32c), err));
    return MR_OK;
}

enum mr_status em_digest_add_md5(struct em_digest *digest, const char *base64, struct mr_err *err)
{
    return base64 ? add_md5(digest, base64, strlen(base64), err) : MR_OK;
}

enum mr_status em_digest_compare(const struct em_digest *expected, const struct em_digest *actual,
                                 struct mr_err *err)
{
    if (expected->has_crc32c && expected->crc32c != actual->crc32c) {
        char given[9], computed[9];
        mr_crc32c_text(expected->crc32c, given);
        mr_crc32c_text(actual->crc32c, computed);
        return mr_fail(err, MR_INVALID, "Provided CRC32C \"%s\" doesn't match calculated CRC32C \"%s\".",
                       given, computed);
    }
    if (expected->has_md5 && memcmp(expected->md5, actual->md5, sizeof actual->md5)) {
        char given[25], computed[25];
        em_md5_text(expected->md5, given);
        em_md5_text(actual->md5, computed);
        return mr_fail(err, MR_INVALID, "Provided MD5 hash \"%s\" doesn't match calculated MD5 hash \"%s\".",
                       given, computed);
    }
    return MR_OK;
}

void em_md5_text(const unsigned char md5[EM_MD5_SIZE], char out[25])
{
    EVP_EncodeBlock((unsigned char *)out, md5, EM_MD5_SIZE);
}
