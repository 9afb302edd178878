#include "shared/gcp/service_key.h"

#include "shared/base/json.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

static enum mr_status copy_member(const json_t *json, const char *name, char **ret, struct mr_err *err)
{
    const char *text = json_string_value(json_object_get(json, name));
    if (!text || !*text)
        return mr_fail(err, MR_INVALID, "\"%s\" is missing", name);
    *ret = strdup(text);
    return *ret ? MR_OK : mr_fail_oom(err);
}

static enum mr_status parse(const json_t *json, struct mr_service_key *key, struct mr_err *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    if (!type || strcmp(type, "service_account") != 0)
        return mr_fail(err, MR_UNSUPPORTED, "type \"%s\" is not service_account", type ? type : "");
    const struct {
        const char *name;
        char **ret;
    } members[] = {
        {"client_email", &key->client_email},     {"private_key", &key->private_key},
        {"private_key_id", &key->private_key_id}, {"token_uri", &key->token_uri},
        {"project_id", &key->project_id},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        MR_TRY(copy_member(json, members[i].name, members[i].ret, err));
    return MR_OK;
}

enum mr_status mr_service_key_load(const char *path, struct mr_service_key *ret, struct mr_err *err)
{
    json_error_t fault;
    *ret = (struct mr_service_key){0};
    MR_AUTO_JSON json_t *json = json_load_file(path, 0, &fault);
    if (!json) /* jansson's text names the file and the position, never the content */
        return mr_fail(err, MR_INVALID, "credentials file: %s", fault.text);
    return mr_wrap(err, parse(json, ret, err), "credentials file %s", path);
}

void mr_service_key_free(struct mr_service_key *key)
{
    free(key->client_email);
    free(key->private_key);
    free(key->private_key_id);
    free(key->token_uri);
    free(key->project_id);
    *key = (struct mr_service_key){0};
}

static void pkey_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void digest_cleanup(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
}

static EVP_PKEY *parse_private_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

enum mr_status mr_service_key_sign(const struct mr_service_key *key, const void *data, size_t len,
                                   unsigned char **ret_signature, size_t *ret_len, struct mr_err *err)
{
    __attribute__((cleanup(pkey_cleanup))) EVP_PKEY *pkey = parse_private_key(key->private_key);
    if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
        return mr_fail(err, MR_INTERNAL, "the credentials' private_key is not an RSA key in PEM");
    __attribute__((cleanup(digest_cleanup))) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    size_t size = (size_t)EVP_PKEY_get_size(pkey);
    MR_AUTO_STR char *signature = malloc(size);
    if (!digest || !signature)
        return mr_fail_oom(err);
    /* PKCS#1 v1.5 is OpenSSL's default padding for RSA. */
    if (EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, pkey) != 1 ||
        EVP_DigestSign(digest, (unsigned char *)signature, &size, data, len) != 1)
        return mr_fail(err, MR_INTERNAL, "cannot sign with the credentials' private_key");
    *ret_signature = (unsigned char *)MR_TAKE(signature);
    *ret_len = size;
    return MR_OK;
}
