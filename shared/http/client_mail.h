/*
 * Sending mail by SMTP (RFC 5321), through libcurl. TLS is always demanded and verified, by STARTTLS
 * (smtp://) or from the start (smtps://). One call is one connection and one mail to one address; when to try
 * again is the caller's to know. After mr_http_client_new, which sets libcurl up; any thread.
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
    int timeout_ms;       /* until the relay has taken the mail; its goodbye may take as long again */
    /* Asked about once a second; true ends it with MR_CANCELED. May be NULL. */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

/* One line each, but for the text. Header fields take printable ASCII alone, addresses are plain
 * "name@host". */
struct mr_mail {
    const char *from;
    const char *to;
    const char *subject;
    const char *message_id; /* what stands before its @; the same when the same mail is sent again */
    const char *text;       /* UTF-8, lines end with CRLF */
};

/*
 * MR_OK: the relay has taken the mail. Only these are final: MR_INVALID with code "recipient_refused" (the
 * address is none, or the relay answered 5xx to it) or "mail_refused" (5xx to the mail itself). Else it may
 * be tried again: MR_UNAUTHENTICATED, MR_DENIED (login or sender refused: the operator's to mend),
 * MR_TIMEOUT, MR_UNAVAILABLE, MR_CANCELED, MR_INTERNAL (from, subject or message_id cannot stand in a
 * header). *ret_reply is the relay's last reply code, 0 if none came.
 */
MR_MUST_CHECK enum mr_status mr_mail_send(const struct mr_mail_relay *relay, const struct mr_mail *mail,
                                          int *ret_reply, struct mr_err *err);

#endif
