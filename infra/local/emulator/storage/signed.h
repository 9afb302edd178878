/*
 * V4 signed URLs: a path of the XML API that somebody with a service account's key has signed for a while.
 * Source: https://cloud.google.com/storage/docs/authentication/canonical-requests
 *
 * All service accounts of the emulator share its one key (signBlob signs for any), so that is the key a
 * signature is checked with.
 */
#ifndef EM_STORAGE_SIGNED_H
#define EM_STORAGE_SIGNED_H

#include "infra/local/emulator/identity.h"
#include "shared/http/server.h"

/* MR_OK if the request is not signed at all (the emulator asks nobody for a credential), or its signature
 * holds. MR_INVALID for a malformed or expired one, MR_DENIED for a wrong one. */
MR_MUST_CHECK enum mr_status em_signed_url_check(const struct em_identity *identity,
                                                 const struct mr_request *req, struct mr_err *err);

#endif
