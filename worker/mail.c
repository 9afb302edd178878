#include "worker/mail.h"

#include "shared/data/links.h"

#include <ctype.h>

enum { TEXT_MAX = 256 << 10 };

/* A name within a line: control characters become spaces. */
static enum mr_status append_name(struct mr_buf *out, const char *name, struct mr_err *err)
{
    size_t start = out->len;
    MR_TRY(mr_buf_append_str(out, name, err));
    for (size_t i = start; i < out->len; i++)
        if (iscntrl((unsigned char)out->data[i]))
            out->data[i] = ' ';
    return MR_OK;
}

static const char *text_of(const json_t *task, const char *key)
{
    const char *text = json_string_value(json_object_get(task, key));
    return text ? text : "";
}

/* The link of the first output has no number; the others are requested with n. */
static enum mr_status append_link(struct mr_buf *out, const json_t *task, const json_t *output,
                                  const char *public_url, const char *token, struct mr_err *err)
{
    json_int_t n = json_integer_value(json_object_get(output, "n"));
    size_t base = strlen(public_url);
    while (base > 0 && public_url[base - 1] == '/')
        base--;
    MR_TRY(append_name(out, text_of(output, "file_name"), err));
    MR_TRY(mr_buf_appendf(out, err, "\r\n%.*s/api/files/%s?token=%s", (int)base, public_url,
                          text_of(task, "file_id"), token));
    if (n > 0)
        MR_TRY(mr_buf_appendf(out, err, "&n=%" JSON_INTEGER_FORMAT, n));
    return mr_buf_append_str(out, "\r\n\r\n", err);
}

static enum mr_status append_files(struct mr_buf *out, const json_t *task, const char *public_url,
                                   const char *token, struct mr_err *err)
{
    const json_t *outputs = json_object_get(task, "outputs");
    MR_TRY(mr_buf_append_str(out, "your file \"", err));
    MR_TRY(append_name(out, text_of(task, "original_file"), err));
    MR_TRY(mr_buf_append_str(out, "\" has been converted:\r\n\r\n", err));
    for (size_t i = 0; i < json_array_size(outputs); i++)
        MR_TRY(append_link(out, task, json_array_get(outputs, i), public_url, token, err));
    return mr_buf_appendf(out, err,
                          "No login is needed for %d days: anybody who has a link can download the file.\r\n",
                          MR_LINK_SECONDS / 86400);
}

enum mr_status mr_mail_text(const json_t *task, const char *username, const char *public_url,
                            const char *token, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(TEXT_MAX);
    MR_TRY(mr_buf_append_str(&out, "Hello ", err));
    MR_TRY(append_name(&out, username, err));
    MR_TRY(mr_buf_append_str(&out, ",\r\n\r\n", err));
    if (json_array_size(json_object_get(task, "outputs")) > 0)
        MR_TRY(append_files(&out, task, public_url, token, err));
    else
        MR_TRY(mr_buf_appendf(&out, err, "your task %" JSON_INTEGER_FORMAT " (%s) is done.\r\n",
                              json_integer_value(json_object_get(task, "id")), text_of(task, "kind")));
    *ret = mr_buf_take(&out);
    return MR_OK;
}

/* Whether a sending attempt should be abandoned. */
struct canceler {
    bool (*canceled)(void *ctx);
    void *ctx;
};

static enum mr_status send_text(const struct mr_config *config, const struct mr_delivery *delivery,
                                const char *text, const struct canceler *canceler, int *ret_reply,
                                struct mr_err *err)
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
                                 .subject = "Your file is ready",
                                 .message_id = delivery->public_id,
                                 .text = text};
    return mr_mail_send(&relay, &mail, ret_reply, err);
}

static enum mr_status write_and_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                     const json_t *task, const struct canceler *canceler, int *ret_reply,
                                     struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    char token[MR_LINK_TOKEN_MAX];
    char *text = NULL;
    MR_TRY(mr_link_create(worker->db, delivery->task_id, MR_LINK_SECONDS, token, err));
    enum mr_status written = mr_mail_text(task, delivery->username, config->public_url, token, &text, err);
    explicit_bzero(token, sizeof token);
    if (written != MR_OK)
        return written;
    enum mr_status sent = send_text(config, delivery, text, canceler, ret_reply, err);
    explicit_bzero(text, strlen(text));
    free(text);
    return sent;
}

enum mr_delivery_end mr_result_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                         const json_t *task, bool (*canceled)(void *ctx), void *canceled_ctx,
                                         int *ret_reply, struct mr_err *reason)
{
    const struct canceler canceler = {canceled, canceled_ctx};
    *ret_reply = 0;
    if (!mr_config_sends_mail(worker->config)) {
        mr_fail(reason, MR_UNSUPPORTED, "mail is switched off");
        return MR_DELIVERY_SKIPPED;
    }
    switch (write_and_send(worker, delivery, task, &canceler, ret_reply, reason)) {
    case MR_OK:
        return MR_DELIVERY_SENT;
    case MR_INVALID:
        return MR_DELIVERY_FAILED;
    default:
        return MR_DELIVERY_RETRY;
    }
}
