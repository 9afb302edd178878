#include "worker/mail.h"

#include "shared/data/confirmations.h"
#include "shared/data/links.h"
#include "shared/data/mail_tokens.h"
#include "shared/data/resets.h"

#include <ctype.h>

enum { TEXT_MAX = 256 << 10, EXTENSION_MAX = 8 };

static const char *text_of(const json_t *task, const char *key)
{
    const char *text = json_string_value(json_object_get(task, key));
    return text ? text : "";
}

/* The address of web, without the slashes at its end. */
static int base_length(const char *public_url)
{
    size_t len = strlen(public_url);
    while (len > 0 && public_url[len - 1] == '/')
        len--;
    return (int)len;
}

/* An extension says what a file is; a name could say anything, to anybody. */
static bool is_extension(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > EXTENSION_MAX)
        return false;
    for (; *text; text++)
        if (!isascii((unsigned char)*text) || !isalnum((unsigned char)*text))
            return false;
    return true;
}

/* The link of the first output has no number; the others are requested with n. */
static enum mr_status append_link(struct mr_buf *out, const json_t *task, const json_t *output,
                                  const char *public_url, const char *token, struct mr_err *err)
{
    json_int_t n = json_integer_value(json_object_get(output, "n"));
    const char *format = text_of(output, "format");
    MR_TRY(mr_buf_appendf(out, err, "%s\r\n%.*s/api/files/%s?token=%s",
                          is_extension(format) ? format : "file", base_length(public_url), public_url,
                          text_of(task, "file_id"), token));
    if (n > 0)
        MR_TRY(mr_buf_appendf(out, err, "&n=%" JSON_INTEGER_FORMAT, n));
    return mr_buf_append_str(out, "\r\n\r\n", err);
}

static enum mr_status append_files(struct mr_buf *out, const json_t *task, const char *public_url,
                                   const char *token, struct mr_err *err)
{
    const json_t *outputs = json_object_get(task, "outputs");
    const char *extension = text_of(task, "original_format");
    MR_TRY(mr_buf_append_str(out, "your file ", err));
    if (is_extension(extension))
        MR_TRY(mr_buf_appendf(out, err, "(%s) ", extension));
    MR_TRY(mr_buf_append_str(out, "has been converted:\r\n\r\n", err));
    for (size_t i = 0; i < json_array_size(outputs); i++)
        MR_TRY(append_link(out, task, json_array_get(outputs, i), public_url, token, err));
    return mr_buf_appendf(out, err,
                          "No login is needed for %d days: anybody who has a link can download the file.\r\n",
                          MR_LINK_SECONDS / 86400);
}

enum mr_status mr_mail_text(const json_t *task, const char *public_url, const char *token, char **ret,
                            struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_buf_append_str(&out, "Hello,\r\n\r\n", err));
    if (json_array_size(json_object_get(task, "outputs")) > 0)
        MR_TRY(append_files(&out, task, public_url, token, err));
    else
        MR_TRY(mr_buf_appendf(&out, err, "your task %" JSON_INTEGER_FORMAT " is done.\r\n",
                              json_integer_value(json_object_get(task, "id"))));
    *ret = mr_buf_take(&out);
    return MR_OK;
}

enum mr_status mr_mail_confirmation_text(const char *public_url, const char *token, char **ret,
                                         struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_buf_appendf(
        &out, err,
        "Hello,\r\n\r\nan account of mediarun was created with this mail address. Open this link "
        "within %d hours to confirm\r\nthat mails about finished conversions may come here:\r\n\r\n"
        "%.*s/api/auth/confirm?token=%s\r\n\r\n"
        "If the account is not yours, do nothing: no mails follow without the confirmation.\r\n",
        MR_CONFIRMATION_SECONDS / 3600, base_length(public_url), public_url, token));
    *ret = mr_buf_take(&out);
    return MR_OK;
}

enum mr_status mr_mail_reset_text(const char *public_url, const char *token, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_buf_appendf(
        &out, err,
        "Hello,\r\n\r\nsomebody asked for a new password of your account of mediarun. Open this "
        "link within %d minutes\r\nto choose one:\r\n\r\n"
        "%.*s/api/auth/reset/password?token=%s\r\n\r\n"
        "If it was not you, do nothing: your password stays as it is.\r\n",
        MR_RESET_SECONDS / 60, base_length(public_url), public_url, token));
    *ret = mr_buf_take(&out);
    return MR_OK;
}

/* Whether a sending attempt should be abandoned. */
struct canceler {
    bool (*canceled)(void *ctx);
    void *ctx;
};

/* Overwrites and frees text, which holds a token. */
static enum mr_status send_text(const struct mr_config *config, const struct mr_delivery *delivery,
                                const char *subject, char *text, const struct canceler *canceler,
                                int *ret_reply, struct mr_err *err)
{
    const struct mr_mail_relay relay = {.url = config->smtp_url,
                                        .user = config->smtp_user,
                                        .password = config->smtp_password,
                                        .ca_file = config->tls_ca_file,
                                        .timeout_ms = (int)config->delivery_timeout_s * 1000,
                                        .canceled = canceler->canceled,
                                        .canceled_ctx = canceler->ctx};
    const struct mr_mail mail = {.from = config->mail_from,
                                 .to = delivery->target,
                                 .subject = subject,
                                 .message_id = delivery->public_id,
                                 .text = text};
    enum mr_status sent = mr_mail_send(&relay, &mail, ret_reply, err);
    explicit_bzero(text, strlen(text));
    free(text);
    return sent;
}

static enum mr_status send_result(struct mr_worker *worker, const struct mr_delivery *delivery,
                                  const json_t *task, const struct canceler *canceler, int *ret_reply,
                                  struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    char token[MR_SECRET_TOKEN_MAX];
    char *text = NULL;
    MR_TRY(mr_link_create(worker->db, delivery->task_id, MR_LINK_SECONDS, token, err));
    enum mr_status written = mr_mail_text(task, config->public_url, token, &text, err);
    explicit_bzero(token, sizeof token);
    if (written != MR_OK)
        return written;
    return send_text(config, delivery, "Your file is ready", text, canceler, ret_reply, err);
}

/* The mails about accounts: each has a link with a token. */
static const struct account_mail {
    int64_t seconds;
    const char *subject;
    enum mr_status (*write)(const char *public_url, const char *token, char **ret, struct mr_err *err);
} account_mails[MR_CHANNELS] = {
    [MR_CHANNEL_CONFIRMATION] = {MR_CONFIRMATION_SECONDS, "Please confirm your mail address",
                                 mr_mail_confirmation_text},
    [MR_CHANNEL_RESET] = {MR_RESET_SECONDS, "A new password for mediarun", mr_mail_reset_text},
};

static enum mr_status send_account_mail(struct mr_worker *worker, const struct mr_delivery *delivery,
                                        const struct canceler *canceler, int *ret_reply, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    const struct account_mail *mail = &account_mails[delivery->channel];
    char token[MR_SECRET_TOKEN_MAX];
    char *text = NULL;
    bool ours = false;
    MR_TRY(mr_mail_token_make(worker->db, delivery, mail->seconds, token, &ours, err));
    if (!ours)
        return mr_fail(err, MR_UNAVAILABLE, "mail is sent by another worker");
    enum mr_status written = mail->write(config->public_url, token, &text, err);
    explicit_bzero(token, sizeof token);
    if (written != MR_OK)
        return written;
    return send_text(config, delivery, mail->subject, text, canceler, ret_reply, err);
}

enum mr_delivery_end mr_delivery_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                           const json_t *task, bool (*canceled)(void *ctx),
                                           void *canceled_ctx, int *ret_reply, struct mr_err *reason)
{
    const struct canceler canceler = {canceled, canceled_ctx};
    *ret_reply = 0;
    if (!mr_config_sends_mail(worker->config)) {
        mr_fail(reason, MR_UNSUPPORTED, "mail is switched off");
        return MR_DELIVERY_SKIPPED;
    }
    switch (task ? send_result(worker, delivery, task, &canceler, ret_reply, reason)
                 : send_account_mail(worker, delivery, &canceler, ret_reply, reason)) {
    case MR_OK:
        return MR_DELIVERY_SENT;
    case MR_INVALID:
        return MR_DELIVERY_FAILED;
    default:
        return MR_DELIVERY_RETRY;
    }
}
