/* PEM: making an RSA key and its certificate, and the small files that keep them. Any thread. */
#ifndef EM_PEM_H
#define EM_PEM_H

#include "shared/base/err.h"

#include <openssl/evp.h>

/* A new RSA-2048 key; the caller frees it with EVP_PKEY_free. MR_INTERNAL if OpenSSL fails. */
MR_MUST_CHECK enum mr_status em_pem_make_key(EVP_PKEY **ret, struct mr_err *err);
/* The key, and a self-signed X.509 certificate for it, as PEM; malloc'ed. */
MR_MUST_CHECK enum mr_status em_pem_of_key(EVP_PKEY *key, char **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_pem_make_certificate(EVP_PKEY *key, char **ret, struct mr_err *err);

/* Reads a file of at most 16 KiB; *ret is malloc'ed. MR_NOT_FOUND without the file, else MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status em_pem_read_file(const char *path, char **ret, struct mr_err *err);
/* Writes and syncs the file, mode 0600. MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status em_pem_write_file(const char *path, const char *text, struct mr_err *err);

#endif
