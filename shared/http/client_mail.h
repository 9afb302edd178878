/*
 * Sends mail by SMTP (RFC 5321) with libcurl. TLS is always required and verified, by STARTTLS (smtp://) or from
 * the start (smtps://). One call is one connection and one mail to one address; retries are up to the caller. Call
 * after mr_http_client_new, which initialises libcurl; any thread.
 */
#ifndef MR_HTTP_CLIENT_MAIL_H
#define MR_HTTP_CLIENT_MAIL_H

#include "shared/base/err.h"

#include <stdint.h>

struct mr_mail_relay {
    const char *url;      /* smtp://host:587 or smtps://host */
    const char *user;     /* "": no login */
    const char *password; /* a secret */
    const char *ca_file;  /* PEM of certificate authorities; NULL or "": the system's */
    int timeout_ms; /* until the relay has accepted the mail; the answer to QUIT may take as long again */
    /* Called about once a second; true ends it with MR_CANCELED. May be NULL. */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

/* One line each, except the text. Header fields are printable ASCII, addresses plain "name@host". */
struct mr_mail {
    const char *from;
    const char *to;
    const char *subject;
    const char *message_id; /* the part before its @; the same when the same mail is sent again */
    const char *text;       /* UTF-8, lines end with CRLF */
};

/*
 * MR_OK: the relay has accepted the mail. Only these failures are final: MR_INVALID with code "recipient_refused"
 * (the address is invalid, or the relay answered 5xx to it) or "mail_refused" (5xx to the mail itself). All others
 * may be retried: MR_UNAUTHENTICATED and MR_DENIED (login or sender refused: the operator can fix it), MR_TIMEOUT,
 * MR_UNAVAILABLE, MR_CANCELED, MR_INTERNAL (from, subject or message_id is not valid in a header). *ret_reply is
 * the relay's last reply code, 0 if none arrived.
 */
MR_MUST_CHECK enum mr_status mr_mail_send(const struct mr_mail_relay *relay, const struct mr_mail *mail,
                                          int *ret_reply, struct mr_err *err);

#endif
