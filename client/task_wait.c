/* Waiting for the end of a task. */
#include "client/api.h"
#include "client/progress.h"
#include "client/tasks.h"
#include "shared/base/encoding.h"

/* A stream that says nothing is a broken one: the server writes every 15 s. It is opened again at the latest after this. */
enum {
    STREAM_MS = 60000,
    LINE_MAX_BYTES = 256 << 10,
    POLL_FIRST_MS = 250,
    POLL_LAST_MS = 4000,
    PATH_MAX_BYTES = 512
};

struct listener {
    struct mr_cli *cli;
    struct mr_buf pending; /* a line that is not whole */
    bool is_alive;         /* an event has arrived */
};
static void listener_free(struct listener *listener)
{
    mr_buf_free(&listener->pending);
}
MR_DEFINE_VALUE_CLEANUP(listener, listener_free)

static enum mr_status path_of(const char *id, const char *more, char **ret, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf path = MR_BUF_INIT(PATH_MAX_BYTES);
    MR_TRY(mr_buf_append_str(&path, "/api/tasks/", err));
    MR_TRY(mr_percent_encode(&path, id, false, err));
    MR_TRY(mr_buf_append_str(&path, more, err));
    *ret = mr_buf_take(&path);
    return MR_OK;
}

enum mr_status mr_cli_task_get(struct mr_cli *cli, const char *id, json_t **ret, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(path_of(id, "", &path, err));
    const struct mr_cli_call call = {.method = "GET", .path = path};
    return mr_cli_call(cli, &call, ret, err);
}

static bool is_final(const json_t *task)
{
    const char *status = mr_cli_text(task, "status");
    return strcmp(status, "processed") == 0 || strcmp(status, "failed") == 0 ||
           strcmp(status, "canceled") == 0;
}

static void show(struct mr_cli *cli, const json_t *task)
{
    mr_cli_progress_percent(cli, json_number_value(json_object_get(task, "progress")));
}

static void take_line(struct listener *listener, const char *line, size_t len)
{
    static const char data[] = "data: ";
    if (len < sizeof data || memcmp(line, data, sizeof data - 1) != 0)
        return;
    MR_AUTO_JSON json_t *task = json_loadb(line + sizeof data - 1, len - (sizeof data - 1), 0, NULL);
    listener->is_alive = true;
    if (json_object_get(task, "progress"))
        show(listener->cli, task);
}

static enum mr_status hear(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct listener *listener = ctx;
    struct mr_buf *pending = &listener->pending;
    MR_TRY(mr_buf_append(pending, data, len, err));
    for (char *end; pending->len && (end = memchr(pending->data, '\n', pending->len));) {
        take_line(listener, pending->data, (size_t)(end - pending->data));
        mr_buf_consume(pending, (size_t)(end - pending->data) + 1);
    }
    return MR_OK;
}

/* Returns when the stream ends, for whatever reason but a signal. *ret_alive: it said something. */
static enum mr_status listen_once(struct mr_cli *cli, const char *id, bool *ret_alive, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL, *url = NULL, *authorization = NULL;
    MR_AUTO(listener) struct listener listener = {.cli = cli, .pending = MR_BUF_INIT(LINE_MAX_BYTES)};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_TRY(path_of(id, "/events", &path, err));
    MR_TRY(mr_cli_authorization(cli, NULL, &authorization, err));
    if (asprintf(&url, "%s%s", cli->settings->server, path) < 0)
        return mr_fail_oom(err);
    const char *headers[] = {authorization, "Accept: text/event-stream", NULL};
    struct mr_http_request request = mr_cli_request(cli, "GET", url);
    request.headers = headers;
    request.sink = hear;
    request.sink_ctx = &listener;
    request.timeout_ms = STREAM_MS;
    enum mr_status status = mr_http_perform(cli->http, &request, &res, err);
    *ret_alive = listener.is_alive;
    return status == MR_CANCELED ? status : MR_OK;
}

enum mr_status mr_cli_task_wait(struct mr_cli *cli, const char *id, const char *label, json_t **ret,
                                struct mr_err *err)
{
    int64_t pause_ms = 0;
    mr_cli_progress_begin(cli, label, "converts");
    while (true) {
        MR_AUTO_JSON json_t *task = NULL;
        bool is_alive = false;
        MR_TRY(mr_cli_task_get(cli, id, &task, err));
        show(cli, task);
        if (is_final(task)) {
            *ret = MR_TAKE(task);
            return MR_OK;
        }
        if (pause_ms)
            MR_TRY(mr_cli_pause(cli, pause_ms, err));
        MR_TRY(listen_once(cli, id, &is_alive, err));
        pause_ms = is_alive || !pause_ms         ? POLL_FIRST_MS
                   : pause_ms * 2 < POLL_LAST_MS ? pause_ms * 2
                                                 : POLL_LAST_MS;
    }
}

enum mr_status mr_cli_task_outcome(const json_t *task, struct mr_err *err)
{
    const char *status = mr_cli_text(task, "status");
    const json_t *error = json_object_get(task, "error");
    enum mr_code code = mr_code_find(mr_cli_text(error, "code"));
    const char *detail = mr_cli_text(error, "detail");
    if (strcmp(status, "processed") == 0)
        return MR_OK;
    if (strcmp(status, "canceled") == 0)
        return mr_fail_as(err, MR_INVALID, MR_CODE_CANCELED, "task was canceled");
    return mr_fail_as(err, MR_INVALID, code ? code : MR_CODE_TASK_FAILED, "%s",
                      detail[0] ? detail : "task has failed");
}
