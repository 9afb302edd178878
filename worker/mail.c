#include "worker/mail.h"

#include "shared/data/links.h"

#include <ctype.h>

enum { TEXT_MAX = 256 << 10 };

/* ---- text ------------------------------------------------------------------------ */

/* A name as part of a line: what controls anything becomes a blank. */
static enum mr_status append_name(struct mr_buf *out, const char *name, struct mr_err *err)
{
    size_t start = out->len;
    enum mr_status status = mr_buf_append_str(out, name, err);
    for (size_t i = start; status == MR_OK && i < out->len; i++)
        if (iscntrl((unsigned char)out->data[i]))
            out->data[i] = ' ';
    return status;
}

static const char *text_of(const json_t *task, const char *key)
{
    const char *text = json_string_value(json_object_get(task, key));
    return text ? text : "";
}

/* The first result goes by the plain link; the others are asked for by number. */
static enum mr_status append_link(struct mr_buf *out, const json_t *task, const json_t *output,
                                  const char *public_url, const char *token, struct mr_err *err)
{
    json_int_t n = json_integer_value(json_object_get(output, "n"));
    size_t base = strlen(public_url);
    while (base > 0 && public_url[base - 1] == '/')
        base--;
    enum mr_status status = append_name(out, text_of(output, "file_name"), err);
    if (status == MR_OK)
        status = mr_buf_appendf(out, err, "\r\n%.*s/api/files/%s?token=%s", (int)base, public_url,
                                text_of(task, "file_id"), token);
    if (status == MR_OK && n > 0)
        status = mr_buf_appendf(out, err, "&n=%" JSON_INTEGER_FORMAT, n);
    return status == MR_OK ? mr_buf_append_str(out, "\r\n\r\n", err) : status;
}

static enum mr_status append_files(struct mr_buf *out, const json_t *task, const char *public_url,
                                   const char *token, struct mr_err *err)
{
    const json_t *outputs = json_object_get(task, "outputs");
    enum mr_status status = mr_buf_append_str(out, "your file \"", err);
    if (status == MR_OK)
        status = append_name(out, text_of(task, "original_file"), err);
    if (status == MR_OK)
        status = mr_buf_append_str(out, "\" has been converted:\r\n\r\n", err);
    for (size_t i = 0; status == MR_OK && i < json_array_size(outputs); i++)
        status = append_link(out, task, json_array_get(outputs, i), public_url, token, err);
    if (status == MR_OK)
        status = mr_buf_appendf(
            out, err, "No login is needed for %d days: whoever has a link can download the file.\r\n",
            MR_LINK_SECONDS / 86400);
    return status;
}

enum mr_status mr_mail_text(const json_t *task, const char *username, const char *public_url,
                            const char *token, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(TEXT_MAX);
    enum mr_status status = mr_buf_append_str(&out, "Hello ", err);
    if (status == MR_OK)
        status = append_name(&out, username, err);
    if (status == MR_OK)
        status = mr_buf_append_str(&out, ",\r\n\r\n", err);
    if (status == MR_OK && json_array_size(json_object_get(task, "outputs")) > 0)
        status = append_files(&out, task, public_url, token, err);
    else if (status == MR_OK)
        status = mr_buf_appendf(&out, err, "your task %" JSON_INTEGER_FORMAT " (%s) is done.\r\n",
                                json_integer_value(json_object_get(task, "id")), text_of(task, "kind"));
    if (status == MR_OK)
        *ret = mr_buf_take(&out);
    return status;
}

/* ---- sending ---------------------------------------------------------------------- */

static enum mr_status send_text(const struct mr_config *config, const struct mr_delivery *delivery,
                                const char *text, bool (*canceled)(void *ctx), void *canceled_ctx,
                                int *ret_reply, struct mr_err *err)
{
    const struct mr_mail_relay relay = {.url = config->smtp_url,
                                        .user = config->smtp_user,
                                        .password = config->smtp_password,
                                        .ca_file = config->tls_ca_file,
                                        .timeout_ms = (int)config->delivery_timeout_s * 1000,
                                        .canceled = canceled,
                                        .canceled_ctx = canceled_ctx};
    const struct mr_mail mail = {.from = config->mail_from,
                                 .to = delivery->target,
                                 .subject = "Your file is ready",
                                 .message_id = delivery->public_id,
                                 .text = text};
    return mr_mail_send(&relay, &mail, ret_reply, err);
}

enum mr_delivery_end mr_result_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                         const json_t *task, bool (*canceled)(void *ctx), void *canceled_ctx,
                                         int *ret_reply, struct mr_err *reason)
{
    const struct mr_config *config = worker->config;
    char token[MR_LINK_TOKEN_MAX];
    MR_AUTO_STR char *text = NULL;
    *ret_reply = 0;
    if (!mr_config_sends_mail(config)) {
        mr_fail(reason, MR_UNSUPPORTED, "mails are switched off");
        return MR_DELIVERY_SKIPPED;
    }
    enum mr_status status = mr_link_create(worker->db, delivery->task_id, MR_LINK_SECONDS, token, reason);
    if (status == MR_OK)
        status = mr_mail_text(task, delivery->username, config->public_url, token, &text, reason);
    if (status == MR_OK)
        status = send_text(config, delivery, text, canceled, canceled_ctx, ret_reply, reason);
    if (text)
        explicit_bzero(text, strlen(text));
    explicit_bzero(token, sizeof token);
    return status == MR_OK ? MR_DELIVERY_SENT : status == MR_INVALID ? MR_DELIVERY_FAILED : MR_DELIVERY_RETRY;
}
