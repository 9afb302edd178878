#include "infra/local/emulator/identity.h"

#include "infra/local/emulator/pem.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <sys/stat.h>

enum { TOKEN_LIFE_S = 3600 };
enum { KEY_ID_MAX = 2 * SHA_DIGEST_LENGTH + 1 };

struct em_identity {
    EVP_PKEY *key;
    char *key_pem;
    char *certificate_pem;
    char key_id[KEY_ID_MAX];
};

static void bio_cleanup(BIO **bio)
{
    BIO_free(*bio);
}
static void x509_cleanup(X509 **certificate)
{
    X509_free(*certificate);
}
static void digest_context_cleanup(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

void em_identity_free(struct em_identity *identity)
{
    if (!identity)
        return;
    EVP_PKEY_free(identity->key);
    free(identity->key_pem);
    free(identity->certificate_pem);
    free(identity);
}

static enum mr_status make(struct em_identity *identity, const char *key_path, const char *certificate_path,
                           struct mr_err *err)
{
    MR_TRY(em_pem_make_key(&identity->key, err));
    MR_TRY(em_pem_of_key(identity->key, &identity->key_pem, err));
    MR_TRY(em_pem_make_certificate(identity->key, &identity->certificate_pem, err));
    MR_TRY(em_pem_write_file(certificate_path, identity->certificate_pem, err));
    /* The key comes last: if its file exists, so does the certificate. */
    return em_pem_write_file(key_path, identity->key_pem, err);
}

static enum mr_status parse_key(struct em_identity *identity, struct mr_err *err)
{
    __attribute__((cleanup(bio_cleanup))) BIO *bio = BIO_new_mem_buf(identity->key_pem, -1);
    if (bio && !identity->key)
        identity->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    return identity->key ? MR_OK : mr_fail(err, MR_INVALID, "the key is not a PEM private key");
}

/* Checks that key and certificate belong together; the certificate's fingerprint is the id of the key. */
static enum mr_status parse_certificate(struct em_identity *identity, struct mr_err *err)
{
    __attribute__((cleanup(bio_cleanup))) BIO *bio = BIO_new_mem_buf(identity->certificate_pem, -1);
    __attribute__((cleanup(x509_cleanup))) X509 *certificate =
        bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    unsigned char fingerprint[SHA_DIGEST_LENGTH];
    if (!certificate || X509_check_private_key(certificate, identity->key) != 1 ||
        X509_digest(certificate, EVP_sha1(), fingerprint, NULL) != 1)
        return mr_fail(err, MR_INVALID, "the certificate does not belong to the key");
    mr_hex_encode(fingerprint, sizeof fingerprint, identity->key_id);
    return MR_OK;
}

static enum mr_status load_or_make(struct em_identity *identity, const char *directory, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf key_path = MR_BUF_INIT(4096);
    MR_AUTO(mr_buf) struct mr_buf certificate_path = MR_BUF_INIT(4096);
    MR_TRY(mr_buf_appendf(&key_path, err, "%s/key.pem", directory));
    MR_TRY(mr_buf_appendf(&certificate_path, err, "%s/certificate.pem", directory));
    enum mr_status status = em_pem_read_file(mr_buf_str(&key_path), &identity->key_pem, err);
    if (status == MR_NOT_FOUND)
        MR_TRY(make(identity, mr_buf_str(&key_path), mr_buf_str(&certificate_path), err));
    else if (status != MR_OK)
        return status;
    else
        MR_TRY(em_pem_read_file(mr_buf_str(&certificate_path), &identity->certificate_pem, err));
    MR_TRY(parse_key(identity, err));
    return parse_certificate(identity, err);
}

enum mr_status em_identity_new(const char *data_dir, struct em_identity **ret, struct mr_err *err)
{
    MR_AUTO(em_identity) struct em_identity *identity = calloc(1, sizeof *identity);
    MR_AUTO(mr_buf) struct mr_buf directory = MR_BUF_INIT(4096);
    if (!identity)
        return mr_fail_oom(err);
    MR_TRY(mr_buf_appendf(&directory, err, "%s/identity", data_dir));
    if (mkdir(mr_buf_str(&directory), 0700) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "create the directory %s", mr_buf_str(&directory));
    enum mr_status status = load_or_make(identity, mr_buf_str(&directory), err);
    if (status != MR_OK)
        return mr_wrap(err, status, "identity in %s", mr_buf_str(&directory));
    *ret = MR_TAKE(identity);
    return MR_OK;
}

const char *em_identity_key_id(const struct em_identity *identity)
{
    return identity->key_id;
}

const char *em_identity_certificate(const struct em_identity *identity)
{
    return identity->certificate_pem;
}

/* A numeric id for an account, always the same, as long as Google's. */
static void subject_of(const char *email, char out[24])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    uint64_t number = 0;
    SHA256((const unsigned char *)email, strlen(email), digest);
    memcpy(&number, digest, sizeof number);
    snprintf(out, 24, "1%020" PRIu64, number);
}

enum mr_status em_identity_mint(const struct em_identity *identity, const char *email, const char *audience,
                                char **ret_token, struct mr_err *err)
{
    char subject[24];
    subject_of(email, subject);
    json_int_t now = mr_time_now_us() / 1000000;
    MR_AUTO_JSON json_t *claims =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:s}", "aud", audience, "azp", subject, "sub", subject,
                  "email", email, "email_verified", 1, "iat", now, "exp", now + TOKEN_LIFE_S, "iss",
                  "https://accounts.google.com");
    if (!claims)
        return mr_fail(err, MR_INVALID, "The audience and the e-mail address must be UTF-8.");
    return mr_jwt_sign_rs256(identity->key_pem, identity->key_id, claims, ret_token, err);
}

enum mr_status em_identity_sign(const struct em_identity *identity, const void *data, size_t len,
                                unsigned char **ret_signature, size_t *ret_len, struct mr_err *err)
{
    __attribute__((cleanup(digest_context_cleanup))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_len = (size_t)EVP_PKEY_get_size(identity->key);
    unsigned char *signature = malloc(signature_len);
    if (!context || !signature || EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, identity->key) != 1 ||
        EVP_DigestSign(context, signature, &signature_len, data, len) != 1) {
        free(signature);
        return mr_fail(err, MR_INTERNAL, "OpenSSL cannot sign");
    }
    *ret_signature = signature;
    *ret_len = signature_len;
    return MR_OK;
}

bool em_identity_verify(const struct em_identity *identity, const void *data, size_t len,
                        const unsigned char *signature, size_t signature_len)
{
    __attribute__((cleanup(digest_context_cleanup))) EVP_MD_CTX *context = EVP_MD_CTX_new();
    return context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, identity->key) == 1 &&
           EVP_DigestVerify(context, signature, signature_len, data, len) == 1;
}
