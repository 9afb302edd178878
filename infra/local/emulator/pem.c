#include "infra/local/emulator/pem.h"

#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { KEY_BITS = 2048, PEM_MAX = 16 * 1024, CERTIFICATE_YEARS = 30 };

static void bio_cleanup(BIO **bio)
{
    BIO_free(*bio);
}
static void x509_cleanup(X509 **certificate)
{
    X509_free(*certificate);
}
enum mr_status em_pem_read_file(const char *path, char **ret, struct mr_err *err)
{
    MR_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, errno == ENOENT ? MR_NOT_FOUND : MR_UNAVAILABLE, errno, "open %s", path);
    MR_AUTO_STR char *text = calloc(1, PEM_MAX + 1);
    if (!text)
        return mr_fail_oom(err);
    ssize_t got = read(fd, text, PEM_MAX);
    if (got <= 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, got < 0 ? errno : EIO, "read %s", path);
    *ret = MR_TAKE(text);
    return MR_OK;
}

enum mr_status em_pem_write_file(const char *path, const char *text, struct mr_err *err)
{
    MR_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "create %s", path);
    size_t len = strlen(text);
    if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "write %s", path);
    return MR_OK;
}

enum mr_status em_pem_make_key(EVP_PKEY **ret, struct mr_err *err)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    if (!key)
        return mr_fail(err, MR_INTERNAL, "OpenSSL cannot make an RSA key");
    *ret = key;
    return MR_OK;
}

static enum mr_status take_pem(BIO *bio, bool written, char **ret, struct mr_err *err)
{
    char *data = NULL;
    long len = written ? BIO_get_mem_data(bio, &data) : 0;
    if (len <= 0)
        return mr_fail(err, MR_INTERNAL, "OpenSSL cannot write PEM");
    *ret = strndup(data, (size_t)len);
    return *ret ? MR_OK : mr_fail_oom(err);
}

enum mr_status em_pem_of_key(EVP_PKEY *key, char **ret, struct mr_err *err)
{
    __attribute__((cleanup(bio_cleanup))) BIO *bio = BIO_new(BIO_s_mem());
    bool written = bio && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    return take_pem(bio, written, ret, err);
}

static bool fill_certificate(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (uint64_t)mr_time_now_us()) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -24 * 3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), CERTIFICATE_YEARS * 365L * 24 * 3600) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"mediarun-emulator (development only)", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

enum mr_status em_pem_make_certificate(EVP_PKEY *key, char **ret, struct mr_err *err)
{
    __attribute__((cleanup(x509_cleanup))) X509 *certificate = X509_new();
    __attribute__((cleanup(bio_cleanup))) BIO *bio = BIO_new(BIO_s_mem());
    bool written =
        certificate && bio && fill_certificate(certificate, key) && PEM_write_bio_X509(bio, certificate) == 1;
    return take_pem(bio, written, ret, err);
}
