#include "tests/unit/served_app.h"

#include "shared/base/encoding.h"
#include "shared/http/form.h"

void served_app_raise(struct served_app *app, bool *flag)
{
    pthread_mutex_lock(&app->lock);
    *flag = true;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

void served_app_wait(struct served_app *app, const bool *flag)
{
    pthread_mutex_lock(&app->lock);
    while (!*flag)
        pthread_cond_wait(&app->changed, &app->lock);
    pthread_mutex_unlock(&app->lock);
}

static enum mr_status get_param(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    const char *query = mr_request_query(req, "q");
    json_t *body = json_pack("{s:s, s:s, s:s, s:s?}", "id", mr_request_param(req, "id"), "path",
                             mr_request_path(req), "base", mr_request_base_url(req), "q", query);
    return mr_respond_json(req, 200, body, err);
}

static enum mr_status echo(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct served_app *app = ctx;
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(1 << 20);
    enum mr_status status = mr_request_body(req, &body, err);
    atomic_store(&app->last_status, status);
    if (status != MR_OK)
        return status;
    return mr_respond_bytes(req, 200, "text/plain", mr_buf_str(&body), body.len, err);
}

static enum mr_status ignore_body(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    return mr_respond_empty(req, 204, err);
}

static enum mr_status take_json(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    json_t *body = NULL;
    enum mr_status status = mr_request_json(req, 1000, &body, err);
    return status == MR_OK ? mr_respond_json(req, 200, body, err) : status;
}

static enum mr_status take_form(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(10000);
    const struct mr_form_part *part = NULL;
    enum mr_status status = mr_form_open(req, &form, err);
    while (status == MR_OK && (status = mr_form_next(form, &part, err)) == MR_OK && part) {
        status = mr_buf_appendf(&out, err, "%s=", part->name);
        if (status == MR_OK)
            status = mr_form_value(form, &out, err);
    }
    return status == MR_OK ? mr_respond_bytes(req, 200, "text/plain", mr_buf_str(&out), out.len, err)
                           : status;
}

static enum mr_status stream_chunks(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    enum mr_status status = mr_respond_begin(req, 200, "text/plain", -1, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "hello ", 6, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "", 0, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "world", 5, err);
    if (status == MR_OK && mr_request_query(req, "cut"))
        return MR_OK;
    return status == MR_OK ? mr_respond_end(req, err) : status;
}

static enum mr_status stream_big(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct served_app *app = ctx;
    static const char data[100000];
    enum mr_status status = mr_respond_begin(req, 200, "text/plain", SERVED_BIG, err);
    for (size_t left = SERVED_BIG; left && status == MR_OK;) {
        size_t part = left < sizeof data ? left : sizeof data;
        status = mr_respond_write(req, data, part, err);
        left -= part;
    }
    atomic_store(&app->last_status, status);
    served_app_raise(app, &app->streamed);
    return status == MR_OK ? mr_respond_end(req, err) : status;
}

static enum mr_status fail_as_asked(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    int64_t status = 0;
    if (!mr_parse_int64(mr_request_param(req, "status"), 0, MR_STATUS_COUNT, &status))
        return mr_fail(err, MR_INVALID, "no status");
    if (status == MR_STATUS_COUNT)
        return MR_OK; /* without an answer */
    enum mr_status added = mr_respond_header(req, "X-Left-Over", "1", err);
    if (added != MR_OK)
        return added;
    mr_fail(err, (enum mr_status)status, "the secret reason");
    return mr_request_query(req, "later") ? mr_retry_after(err, err->status, 3600) : err->status;
}

static enum mr_status set_header(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    enum mr_status status =
        mr_respond_header(req, mr_request_query(req, "name"), mr_request_query(req, "value"), err);
    return status == MR_OK ? mr_respond_empty(req, 200, err) : status;
}

static enum mr_status use_stack(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    char big[512 * 1024];
    memset(big, 'x', sizeof big);
    return mr_respond_bytes(req, 200, "text/plain", big, sizeof big, err);
}

static enum mr_status wait_for_release(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct served_app *app = ctx;
    served_app_raise(app, &app->entered);
    served_app_wait(app, &app->released);
    return mr_respond_bytes(req, 200, "text/plain", "done", 4, err);
}

const struct mr_route served_routes[] = {
    {"GET", "/items/{id}", get_param, 0, 0},
    {"POST", "/echo", echo, -1, 0},
    {"POST", "/small", echo, 10, 0},
    {"POST", "/ignore", ignore_body, -1, 0},
    {"POST", "/json", take_json, -1, 0},
    {"POST", "/form", take_form, -1, 0},
    {"GET", "/chunks", stream_chunks, 0, 0},
    {"GET", "/big", stream_big, 0, MR_ROUTE_SLOW},
    {"GET", "/fail/{status}", fail_as_asked, 0, 0},
    {"GET", "/header", set_header, 0, 0},
    {"GET", "/stack", use_stack, 0, 0},
    {"GET", "/wait", wait_for_release, 0, 0},
    {"GET", "/vital/{id}", get_param, 0, MR_ROUTE_VITAL},
};

int served_start(void **state, struct mr_server_options options)
{
    struct served_fixture *fixture = calloc(1, sizeof *fixture);
    pthread_mutex_init(&fixture->app.lock, NULL);
    pthread_cond_init(&fixture->app.changed, NULL);
    *state = fixture;
    options.max_body = MAX_BODY;
    options.max_head = MAX_HEAD;
    options.routes = served_routes;
    options.route_count = sizeof served_routes / sizeof *served_routes;
    options.app = &fixture->app;
    return fixture_server_start(&fixture->http, options);
}

int served_set_up(void **state)
{
    return served_start(state, (struct mr_server_options){.threads = 8, .client_timeout_ms = TIMEOUT_MS});
}

int served_tear_down(void **state)
{
    struct served_fixture *fixture = *state;
    served_app_raise(&fixture->app, &fixture->app.released); /* of a test that failed */
    fixture_server_stop(&fixture->http);
    pthread_mutex_destroy(&fixture->app.lock);
    pthread_cond_destroy(&fixture->app.changed);
    free(fixture);
    return 0;
}
