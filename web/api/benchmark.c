/* The routes of the capacity test: POST /benchmark/conversion/start, and its results, GET …/data and
 * …/result. */
#include "shared/data/benchmark_figures.h"

#include "shared/base/fields.h"
#include "shared/media/formats.h"
#include "web/api/api.h"
#include "web/api/task_request.h"
#include "web/benchmark_run.h"

#include <inttypes.h>

enum { FIELD_MAX = 64, PAGE = 1000 };

struct start {
    struct mr_task_request wanted;
    int64_t count; /* of tasks */
};

static void start_free(struct start *start)
{
    mr_task_request_free(&start->wanted);
}
MR_DEFINE_VALUE_CLEANUP(start, start_free)

#define AT(member) MR_FIELD_AT(struct start, member)

static const struct mr_field fields[] = {
    {"newFormat", MR_FIELD_WORD, AT(wanted.given.new_format), .required = true, .words = &mr_format_words,
     .code = MR_CODE_UNSUPPORTED_FORMAT},
    {"taskNumber", MR_FIELD_INTEGER, AT(count), .required = true, .min = 1, .max = MR_BENCHMARK_TASKS_MAX},
};
static const struct mr_field_table table = {.rows = MR_FIELD_ROWS(fields),
                                            .noun = "field",
                                            .unknown = MR_CODE_UNKNOWN_FIELD,
                                            .missing = MR_CODE_MISSING_FIELD};

static enum mr_status take_part(struct start *start, struct mr_form *form, const struct mr_form_part *part,
                                struct mr_err *err)
{
    if (mr_task_request_is_file(part->name))
        return mr_task_request_store_file(&start->wanted, form, part, err);
    MR_TRY(mr_fields_check_name(&table, part->name, err));
    /* The part does not outlive the reading of its value. */
    const char *name = mr_field_find(&table.rows, part->name)->name;
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(FIELD_MAX);
    enum mr_status status = mr_form_value(form, &value, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", name);
    MR_AUTO_JSON json_t *text = json_string(mr_buf_str(&value));
    return text ? mr_fields_take(&table, start, start->wanted.fields, name, text, true, err)
                : mr_fail_oom(err);
}

/* *ret_model points into start. */
static enum mr_status read_start(struct start *start, struct mr_request *req, struct mr_task_draft *ret_model,
                                 struct mr_err *err)
{
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    const struct mr_form_part *part = NULL;
    MR_TRY(mr_form_open(req, &form, err));
    MR_TRY(mr_form_next(form, &part, err));
    while (part) {
        MR_TRY(take_part(start, form, part, err));
        MR_TRY(mr_form_next(form, &part, err));
    }
    if (!start->wanted.file.is_stored)
        return mr_fail_code(err, MR_CODE_MISSING_FIELD, "fileName is required");
    MR_TRY(mr_fields_check_required(&table, start->wanted.fields, err));
    return mr_task_request_plan(&start->wanted, ret_model, err);
}

/* With the first task the file has an owner. If none was created, the sweep deletes the file. */
static enum mr_status make_tasks(struct start *start, const struct mr_request *req,
                                 struct mr_task_draft *model, struct mr_err *err)
{
    int64_t made = 0;
    model->notify_mail = false;
    enum mr_status status =
        mr_benchmark_make_tasks(start->wanted.web, mr_request_log(req), model, start->count, &made, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "after %" PRId64 " tasks", made);
    return MR_OK;
}

enum mr_status mr_api_benchmark_start(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO(start) struct start start = {.count = 0};
    struct mr_task_draft model;
    int64_t user_id = 0;
    MR_TRY(mr_benchmark_check_enabled(web, err));
    MR_TRY(mr_benchmark_make_user(web, &user_id, err));
    MR_TRY(mr_task_request_init(&start.wanted, web, user_id, err));
    enum mr_status status = read_start(&start, req, &model, err);
    if (status == MR_OK)
        status = mr_benchmark_check_room(web, user_id, start.count, err);
    if (status != MR_OK) {
        mr_task_request_drop_file(&start.wanted);
        return status;
    }
    MR_TRY(make_tasks(&start, req, &model, err));
    return mr_respond_json(
        req, 200,
        json_pack("{s:s,s:I}", "message", "the tasks were created", "count", (json_int_t)start.count), err);
}

/* Any page may draw the chart. The totals show when the run has ended. */
static enum mr_status add_headers(struct mr_request *req, const json_t *totals, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(totals, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    const char *const headers[][2] = {{"Access-Control-Allow-Origin", "*"},
                                      {"Access-Control-Expose-Headers", "Benchmark-Totals"},
                                      {"Benchmark-Totals", text},
                                      {"Cache-Control", "no-store"}};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        MR_TRY(mr_respond_header(req, headers[i][0], headers[i][1], err));
    return MR_OK;
}

enum mr_status mr_api_benchmark_data(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *minutes = NULL;
    MR_AUTO_JSON json_t *totals = NULL;
    MR_TRY(mr_benchmark_check_enabled(web, err));
    MR_TRY(mr_benchmark_find_user(web, &user_id, err));
    MR_TRY(mr_benchmark_figures(web->db, user_id, &minutes, &totals, err));
    MR_TRY(add_headers(req, totals, err));
    return mr_respond_json(req, 200, MR_TAKE(minutes), err);
}

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
    MR_TRY(mr_respond_write(req, is_first ? "[" : ",\n", is_first ? 1 : 2, err));
    return mr_respond_write(req, text, strlen(text), err);
}

/* Writes the tasks after *after, which becomes the last of them. */
static enum mr_status write_page(struct mr_web *web, struct mr_request *req, int64_t user_id, int64_t *after,
                                 bool *ret_more, struct mr_err *err)
{
    const struct mr_task_filter filter = {.max = PAGE, .after = *after};
    MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
    MR_TRY(mr_tasks_list(web->db, user_id, &filter, &page, err));
    if (!mr_respond_started(req))
        MR_TRY(mr_respond_begin(req, 200, "application/json", -1, err));
    for (int i = 0; i < mr_task_page_count(page); i++) {
        MR_AUTO_JSON json_t *view = NULL;
        MR_TRY(mr_task_page_view(page, i, &view, err));
        MR_TRY(write_row(req, view, *after == 0, err));
        *after = json_integer_value(json_object_get(view, "id"));
    }
    *ret_more = mr_task_page_next(page) != 0;
    return MR_OK;
}

enum mr_status mr_api_benchmark_result(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0, after = 0;
    bool more = true;
    MR_TRY(mr_benchmark_check_enabled(web, err));
    MR_TRY(mr_benchmark_find_user(web, &user_id, err));
    if (user_id == 0)
        return mr_respond_json(req, 200, json_array(), err);
    while (more)
        MR_TRY(write_page(web, req, user_id, &after, &more, err));
    MR_TRY(mr_respond_write(req, after ? "]" : "[]", after ? 1 : 2, err));
    return mr_respond_end(req, err);
}
