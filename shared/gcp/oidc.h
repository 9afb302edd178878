/*
 * Verifies the OIDC tokens that Pub/Sub and Cloud Scheduler send. Source:
 * https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions Any thread may call.
 */
#ifndef MR_GCP_OIDC_H
#define MR_GCP_OIDC_H

#include "shared/http/client.h"
#include "shared/http/server.h"

enum mr_oidc_mode {
    MR_OIDC_VERIFY, /* "oidc": signature, iss, aud, email, email_verified, times */
    MR_OIDC_IAM,  /* "iam": the platform has checked the signature; iss, aud, email and times are compared */
    MR_OIDC_NONE, /* "none": every call is accepted; the network must keep others out */
};

struct mr_oidc_options {
    enum mr_oidc_mode mode;
    const char *certs_url; /* e.g. https://www.googleapis.com/oauth2/v1/certs */
    const char *audience;  /* the exact `aud` */
    const char *email;     /* the exact `email` */
};

struct mr_oidc;

/* Texts are copied; http is not owned. MR_INVALID if a setting that the mode needs is missing. */
MR_MUST_CHECK enum mr_status mr_oidc_new(struct mr_http_client *http, const struct mr_oidc_options *options,
                                         struct mr_oidc **ret, struct mr_err *err);
void mr_oidc_free(struct mr_oidc *oidc);
MR_DEFINE_CLEANUP(mr_oidc, mr_oidc_free)

/*
 * Checks an Authorization header's value (NULL if there was none). MR_UNAUTHENTICATED: none, malformed,
 * forged or expired; MR_DENIED: genuine, but for another audience or account; transient if the certificates
 * cannot be fetched.
 */
MR_MUST_CHECK enum mr_status mr_oidc_check(struct mr_oidc *oidc, const char *authorization,
                                           struct mr_err *err);

/*
 * As mr_oidc_check for a request. A refused caller learns only that the token was rejected; the log says what
 * the token was for and what was expected, because the subscription or the job may be set up wrongly.
 */
MR_MUST_CHECK enum mr_status mr_oidc_admit(struct mr_oidc *oidc, const struct mr_request *req,
                                           struct mr_err *err);

#endif
