/* The capacity test, POST /benchmark/conversion/start, and what came of it, GET …/data and …/result. */
#include "shared/data/benchmark.h"

#include "web/api/api.h"
#include "web/api/order.h"
#include "web/benchmark.h"

#include <inttypes.h>

enum { FIELD_MAX = 64, PAGE = 1000 };

/* ---- start -------------------------------------------------------------------------- */

struct start {
    struct mr_order order;
    int64_t count; /* 0 until taskNumber came */
};

static void start_free(struct start *start)
{
    mr_order_free(&start->order);
}
MR_DEFINE_VALUE_CLEANUP(start, start_free)

static enum mr_status take_count(struct start *start, const char *value, struct mr_err *err)
{
    if (!mr_parse_int64(value, 1, MR_BENCHMARK_TASKS_MAX, &start->count))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "taskNumber: not a whole number from 1 to %d",
                            MR_BENCHMARK_TASKS_MAX);
    return MR_OK;
}

static enum mr_status take_format(struct start *start, const char *value, struct mr_err *err)
{
    MR_AUTO_JSON json_t *text = json_string(value);
    return text ? mr_order_take(&start->order, "newFormat", text, true, err) : mr_fail_oom(err);
}

static const struct {
    const char *name;
    enum mr_status (*take)(struct start *start, const char *value, struct mr_err *err);
} fields[] = {{"newFormat", take_format}, {"taskNumber", take_count}};

static enum mr_status take_part(struct start *start, struct mr_form *form, const struct mr_form_part *part,
                                struct mr_err *err)
{
    if (mr_order_is_file(part->name))
        return mr_order_store_file(&start->order, form, part, err);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcmp(part->name, fields[i].name) != 0)
            continue;
        MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
        enum mr_status status = mr_form_value(form, &value, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "%s", fields[i].name);
        return fields[i].take(start, mr_buf_str(&value), err);
    }
    return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "%s: there is no such field", part->name);
}

/* *ret_model points into start. */
static enum mr_status read_start(struct start *start, struct mr_request *req, struct mr_task_draft *ret_model,
                                 struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    const struct mr_form_part *part = NULL;
    enum mr_status status = mr_form_open(req, &form, err);
    if (status == MR_OK)
        status = mr_form_next(form, &part, err);
    while (status == MR_OK && part) {
        status = take_part(start, form, part, err);
        if (status == MR_OK)
            status = mr_form_next(form, &part, err);
    }
    if (status == MR_OK && !start->order.file.is_stored)
        status = mr_fail_code(err, MR_CODE_MISSING_FIELD, "fileName: a file is needed");
    if (status == MR_OK && !mr_order_text(&start->order, "newFormat"))
        status = mr_fail_code(err, MR_CODE_MISSING_FIELD, "newFormat: this field is needed");
    if (status == MR_OK && start->count == 0)
        status = mr_fail_code(err, MR_CODE_MISSING_FIELD, "taskNumber: this field is needed");
    return status == MR_OK ? mr_order_plan(&start->order, ret_model, err) : status;
}

/* From the first task on the file has an owner; before, what cannot be told is left to the ledger of strays.
 */
static enum mr_status make_tasks(struct start *start, const struct mr_request *req,
                                 struct mr_task_draft *model, struct mr_err *err)
{
    int64_t made = 0;
    model->notify_mail = false;
    enum mr_status status =
        mr_benchmark_make_tasks(start->order.web, mr_request_log(req), model, start->count, &made, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "after %" PRId64 " tasks", made);
}

enum mr_status mr_api_benchmark_start(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO(start) struct start start = {.count = 0};
    struct mr_task_draft model;
    int64_t user_id = 0;
    enum mr_status status = mr_benchmark_check_enabled(web, err);
    if (status == MR_OK)
        status = mr_benchmark_make_user(web, &user_id, err);
    if (status == MR_OK)
        status = mr_order_init(&start.order, web, user_id, err);
    if (status == MR_OK && (status = read_start(&start, req, &model, err)) != MR_OK)
        mr_order_drop_file(&start.order);
    if (status == MR_OK)
        status = make_tasks(&start, req, &model, err);
    if (status != MR_OK)
        return status;
    return mr_respond_json(
        req, 200,
        json_pack("{s:s,s:I}", "message", "the tasks were created", "count", (json_int_t)start.count), err);
}

/* ---- figures ------------------------------------------------------------------------ */

/* Any page may draw the chart. The totals tell it when there is nothing more to come. */
static enum mr_status add_headers(struct mr_request *req, const json_t *totals, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(totals, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    const char *const headers[][2] = {{"Access-Control-Allow-Origin", "*"},
                                      {"Access-Control-Expose-Headers", "Benchmark-Totals"},
                                      {"Benchmark-Totals", text},
                                      {"Cache-Control", "no-store"}};
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && i < sizeof headers / sizeof *headers; i++)
        status = mr_respond_header(req, headers[i][0], headers[i][1], err);
    return status;
}

enum mr_status mr_api_benchmark_data(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *minutes = NULL;
    MR_AUTO_JSON json_t *totals = NULL;
    enum mr_status status = mr_benchmark_check_enabled(web, err);
    if (status == MR_OK)
        status = mr_benchmark_find_user(web, &user_id, err);
    if (status == MR_OK)
        status = mr_benchmark_figures(web->db, user_id, &minutes, &totals, err);
    if (status == MR_OK)
        status = add_headers(req, totals, err);
    return status == MR_OK ? mr_respond_json(req, 200, MR_TAKE(minutes), err) : status;
}

/* ---- results ------------------------------------------------------------------------ */

static enum mr_status write_row(struct mr_request *req, const json_t *view, bool is_first, struct mr_err *err)
{
    static const char *const keys[] = {"id",         "file_id",     "status",      "original_file",
                                       "new_format", "uploaded_at", "processed_at"};
    MR_AUTO_JSON json_t *row = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *value = json_object_get(view, keys[i]);
        if (json_object_set(row, keys[i], value ? value : json_null()) != 0)
            return mr_fail_oom(err);
    }
    MR_AUTO_STR char *text = json_dumps(row, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    enum mr_status status = mr_respond_write(req, is_first ? "[" : ",\n", is_first ? 1 : 2, err);
    return status == MR_OK ? mr_respond_write(req, text, strlen(text), err) : status;
}

/* Writes what comes behind *after, and moves it; *ret_count is how many these were. */
static enum mr_status write_page(struct mr_web *web, struct mr_request *req, int64_t user_id, int64_t *after,
                                 size_t *ret_count, struct mr_err *err)
{
    const struct mr_task_filter filter = {.max = PAGE, .after = *after};
    const bool is_start = *after == 0;
    size_t i;
    json_t *view;
    MR_AUTO_JSON json_t *views = NULL;
    enum mr_status status = mr_tasks_list(web->db, user_id, &filter, &views, err);
    if (status == MR_OK && is_start)
        status = mr_respond_begin(req, 200, "application/json", -1, err);
    json_array_foreach (views, i, view) {
        if (status == MR_OK)
            status = write_row(req, view, is_start && i == 0, err);
        *after = json_integer_value(json_object_get(view, "id"));
    }
    *ret_count = json_array_size(views);
    return status;
}

enum mr_status mr_api_benchmark_result(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0, after = 0;
    size_t count = PAGE;
    enum mr_status status = mr_benchmark_check_enabled(web, err);
    if (status == MR_OK)
        status = mr_benchmark_find_user(web, &user_id, err);
    if (status == MR_OK && user_id == 0)
        return mr_respond_json(req, 200, json_array(), err);
    while (status == MR_OK && count == PAGE)
        status = write_page(web, req, user_id, &after, &count, err);
    if (status == MR_OK)
        status = mr_respond_write(req, after ? "]" : "[]", after ? 1 : 2, err);
    return status == MR_OK ? mr_respond_end(req, err) : status;
}
