#include "shared/http/client_mail.h"

#include "shared/base/cleanup.h"
#include "shared/base/clock.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>

enum { VERB_MAX = 8, ADDRESS_MAX = 254 /* RFC 5321 §4.5.3.1.3 */ };

/* One mail in progress: what libcurl needs, and what its callbacks note. */
struct dispatch {
    CURL *curl;
    curl_mime *mime;
    struct curl_slist *headers;
    struct curl_slist *recipients;
    const struct mr_mail_relay *relay;
    char verb[VERB_MAX]; /* of the last command: the one that the last reply answers */
    bool canceled;
    char reason[CURL_ERROR_SIZE];
};

static void dispatch_free(struct dispatch *d)
{
    curl_mime_free(d->mime);
    curl_easy_cleanup(d->curl);
    curl_slist_free_all(d->headers);
    curl_slist_free_all(d->recipients);
}
MR_DEFINE_VALUE_CLEANUP(dispatch, dispatch_free)

/* Printable ASCII, which cannot start another line. */
static bool is_header_text(const char *text)
{
    for (; *text; text++)
        if (!isascii((unsigned char)*text) || !isprint((unsigned char)*text))
            return false;
    return true;
}

/* A mailbox without quotes, brackets and comments (RFC 5321's Dot-string and Domain): only the @ has a meaning for
 * mail systems. */
static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || !at[1] || strlen(text) > ADDRESS_MAX)
        return false;
    for (const char *p = text; p < at; p++)
        if (!isascii((unsigned char)*p) ||
            (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-/=?^_`{|}~.", *p)))
            return false;
    for (const char *p = at + 1; *p; p++)
        if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && *p != '-' && *p != '.'))
            return false;
    return true;
}

static enum mr_status check(const struct mr_mail *mail, struct mr_err *err)
{
    if (!is_address(mail->to))
        return mr_fail_code(err, MR_CODE_RECIPIENT_REFUSED, "invalid recipient address");
    if (!is_address(mail->from))
        return mr_fail(err, MR_INTERNAL, "invalid sender address");
    if (!is_header_text(mail->subject) || !is_header_text(mail->message_id))
        return mr_fail(err, MR_INTERNAL, "subject and message_id must be printable ASCII");
    return MR_OK;
}

static enum mr_status append(struct curl_slist **list, const char *line, struct mr_err *err)
{
    struct curl_slist *longer = line ? curl_slist_append(*list, line) : NULL;
    if (!longer)
        return mr_fail_oom(err);
    *list = longer;
    return MR_OK;
}

static enum mr_status append_header(struct dispatch *d, struct mr_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum mr_status append_header(struct dispatch *d, struct mr_err *err, const char *format, ...)
{
    MR_AUTO_STR char *line = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&line, format, args);
    va_end(args);
    if (len < 0) {
        line = NULL;
        return mr_fail_oom(err);
    }
    return append(&d->headers, line, err);
}

/* RFC 5322 §3.3; the program stays in the C locale. */
static void date_text(char *out, size_t size)
{
    time_t now = (time_t)(mr_time_now_us() / 1000000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out, size, "%a, %d %b %Y %H:%M:%S +0000", &utc);
}

static enum mr_status build_headers(struct dispatch *d, const struct mr_mail *mail, struct mr_err *err)
{
    char date[64];
    date_text(date, sizeof date);
    MR_TRY(append_header(d, err, "From: %s", mail->from));
    MR_TRY(append_header(d, err, "To: %s", mail->to));
    MR_TRY(append_header(d, err, "Subject: %s", mail->subject));
    MR_TRY(append_header(d, err, "Date: %s", date));
    MR_TRY(append_header(d, err, "Message-ID: <%s%s>", mail->message_id, strchr(mail->from, '@')));
    return append_header(d, err, "Auto-Submitted: auto-generated"); /* RFC 3834: prevents auto-replies */
}

static enum mr_status build_text(struct dispatch *d, const char *text, struct mr_err *err)
{
    d->mime = curl_mime_init(d->curl);
    curl_mimepart *part = d->mime ? curl_mime_addpart(d->mime) : NULL;
    bool good = part && curl_mime_data(part, text, CURL_ZERO_TERMINATED) == CURLE_OK &&
                curl_mime_type(part, "text/plain; charset=utf-8") == CURLE_OK &&
                curl_mime_encoder(part, "quoted-printable") == CURLE_OK;
    return good ? MR_OK : mr_fail_oom(err);
}

/* Gets each command that is sent. Only its verb is kept, because a command may contain the password. */
static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *ctx)
{
    struct dispatch *d = ctx;
    (void)curl;
    if (type != CURLINFO_HEADER_OUT)
        return 0;
    size_t len = 0;
    while (len < size && len + 1 < VERB_MAX && isupper((unsigned char)data[len]))
        len++;
    if (len == 4 && memcmp(data, "QUIT", 4) == 0) /* also sent after a refusal */
        return 0;
    memcpy(d->verb, data, len);
    d->verb[len] = '\0';
    return 0;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct dispatch *d = ctx;
    (void)down_total, (void)down, (void)up_total, (void)up;
    d->canceled = d->canceled || d->relay->canceled(d->relay->canceled_ctx);
    return d->canceled;
}

static void set_relay_options(struct dispatch *d)
{
    CURL *curl = d->curl;
    const struct mr_mail_relay *relay = d->relay;
    curl_easy_setopt(curl, CURLOPT_URL, relay->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    if (relay->ca_file && relay->ca_file[0])
        curl_easy_setopt(curl, CURLOPT_CAINFO, relay->ca_file);
    if (relay->user[0]) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, relay->user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, relay->password);
    }
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)relay->timeout_ms);
    /* The wait for the answer to QUIT follows the options of the handle that closes the connection: they are
     * ours only if it is closed with the transfer (curl issue 739). */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(relay->timeout_ms + 999) / 1000);
    if (relay->canceled) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, d);
    }
}

static void set_mail_options(struct dispatch *d, const struct mr_mail *mail)
{
    CURL *curl = d->curl;
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mail->from);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, d->recipients);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, d->headers);
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, d->mime);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, d->reason);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L); /* only to on_debug */
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, d);
}

/* A permanent refusal (5xx) is final only if it is about this mail; the operator can fix the rest. */
static enum mr_status fail_refused(const struct dispatch *d, int reply, struct mr_err *err)
{
    static const struct {
        const char *verb;
        enum mr_code code;
        const char *what;
    } table[] = {
        {"RCPT", MR_CODE_RECIPIENT_REFUSED, "the relay refused the recipient"},
        {"DATA", MR_CODE_MAIL_REFUSED, "the relay refused the mail"},
        {"MAIL", MR_CODE_SENDER_REFUSED, "the relay refused the sender"},
        {"AUTH", MR_CODE_LOGIN_REFUSED, "the relay refused the login"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(d->verb, table[i].verb) == 0)
            return mr_fail_code(err, table[i].code, "%s with %d", table[i].what, reply);
    return mr_fail(err, MR_UNAVAILABLE, "the relay answered %d to %s", reply, d->verb);
}

static enum mr_status outcome_of(const struct dispatch *d, CURLcode code, int reply, struct mr_err *err)
{
    const char *reason = d->reason[0] ? d->reason : curl_easy_strerror(code);
    switch (code) {
    case CURLE_OK:
        return MR_OK;
    case CURLE_ABORTED_BY_CALLBACK:
        return mr_fail(err, MR_CANCELED, "sending was canceled");
    case CURLE_OPERATION_TIMEDOUT:
        return mr_fail(err, MR_TIMEOUT, "%s", reason);
    case CURLE_OUT_OF_MEMORY:
        return mr_fail_oom(err);
    case CURLE_LOGIN_DENIED: /* a text of its own: the last verb may be a part of the credentials */
        return mr_fail_code(err, MR_CODE_LOGIN_REFUSED, "the relay refused the login with %d", reply);
    default:
        return reply >= 500 ? fail_refused(d, reply, err) : mr_fail(err, MR_UNAVAILABLE, "%s", reason);
    }
}

enum mr_status mr_mail_send(const struct mr_mail_relay *relay, const struct mr_mail *mail, int *ret_reply,
                            struct mr_err *err)
{
    *ret_reply = 0;
    MR_TRY(check(mail, err));
    MR_AUTO(dispatch) struct dispatch d = {.curl = curl_easy_init(), .relay = relay};
    if (!d.curl)
        return mr_fail_oom(err);
    MR_TRY(build_headers(&d, mail, err));
    MR_TRY(build_text(&d, mail->text, err));
    MR_TRY(append(&d.recipients, mail->to, err));
    set_relay_options(&d);
    set_mail_options(&d, mail);
    CURLcode code = curl_easy_perform(d.curl);
    long reply = 0;
    curl_easy_getinfo(d.curl, CURLINFO_RESPONSE_CODE, &reply);
    *ret_reply = (int)reply;
    return outcome_of(&d, code, (int)reply, err);
}
