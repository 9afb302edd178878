/*
 * V4 signed URLs: paths of the XML API, signed with the key of a service account for a limited time.
 * Source: https://cloud.google.com/storage/docs/authentication/signatures
 *
 * All service accounts of the emulator share one key (signBlob signs for any account), so every signature is
 * checked with that key.
 */
#ifndef EM_STORAGE_SIGNED_URL_H
#define EM_STORAGE_SIGNED_URL_H

#include "infra/local/emulator/identity.h"
#include "shared/http/server.h"

/* MR_OK if the signature is valid, or if the request has none: the emulator requires no credentials.
 * MR_INVALID for a malformed or expired signature, MR_DENIED for a wrong one. */
MR_MUST_CHECK enum mr_status em_signed_url_check(const struct em_identity *identity,
                                                 const struct mr_request *req, struct mr_err *err);

#endif
