/* ls: lists tasks, the newest first. */
#include "client/api.h"
#include "client/commands.h"
#include "client/report.h"
#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

#include <inttypes.h>

enum { PAGE_MAX = 100, NAME_MAX_BYTES = 256, PATH_MAX_BYTES = 4096, DATE_CHARACTERS = 16 };

/* before: the id of the last task that was listed; 0: none was. */
static enum mr_status page_path(const struct mr_cli_arguments *arguments, int64_t max, int64_t before,
                                struct mr_buf *path, struct mr_err *err)
{
    MR_TRY(mr_buf_appendf(path, err, "/api/tasks?order=1&max=%" PRId64, max < PAGE_MAX ? max : PAGE_MAX));
    if (before)
        MR_TRY(mr_buf_appendf(path, err, "&after=%" PRId64, before));
    if (!arguments->status)
        return MR_OK;
    MR_TRY(mr_buf_append_str(path, "&status=", err));
    return mr_percent_encode(path, arguments->status, false, err);
}

/* Of a file that was fetched, the server may know no name yet. */
static const char *name_of(const json_t *task)
{
    const char *name = mr_cli_text(task, "original_file");
    return name[0]                       ? name
           : mr_cli_text(task, "url")[0] ? mr_cli_text(task, "url")
                                         : mr_cli_text(task, "kind");
}

static enum mr_status print_row(const json_t *task, struct mr_err *err)
{
    char name[NAME_MAX_BYTES], line[NAME_MAX_BYTES + 128];
    const char *raw = name_of(task);
    const char *format = mr_cli_text(task, "new_format");
    mr_utf8_storable(raw, strlen(raw), name, sizeof name);
    snprintf(line, sizeof line, "%8" PRId64 "  %-10.10s %5.1f %%  %-6.6s %.*s  %s",
             (int64_t)json_integer_value(json_object_get(task, "id")), mr_cli_text(task, "status"),
             json_number_value(json_object_get(task, "progress")), format[0] ? format : "-", DATE_CHARACTERS,
             mr_cli_text(task, "timestamp"), name);
    return mr_cli_print(line, err);
}

static enum mr_status print_page(const struct mr_cli *cli, const json_t *page, int64_t *ret_last,
                                 struct mr_err *err)
{
    size_t i;
    json_t *task;
    json_array_foreach (page, i, task) {
        MR_TRY(cli->arguments->json ? mr_cli_print_json(task, false, err) : print_row(task, err));
        *ret_last = json_integer_value(json_object_get(task, "id"));
    }
    return MR_OK;
}

static enum mr_status list(struct mr_cli *cli, struct mr_err *err)
{
    int64_t left = cli->arguments->max, last = 0;
    size_t count = 1;
    while (left > 0 && count) {
        MR_AUTO(mr_buf) struct mr_buf path = MR_BUF_INIT(PATH_MAX_BYTES);
        MR_AUTO_JSON json_t *page = NULL;
        MR_TRY(page_path(cli->arguments, left, last, &path, err));
        const struct mr_cli_call call = {.method = "GET", .path = mr_buf_str(&path)};
        MR_TRY(mr_cli_call(cli, &call, &page, err));
        if (!json_is_array(page))
            return mr_fail(err, MR_UNAVAILABLE, "the answer must be a list of tasks");
        MR_TRY(print_page(cli, page, &last, err));
        count = json_array_size(page);
        left -= (int64_t)count;
    }
    return MR_OK;
}

enum mr_cli_exit mr_cli_list(struct mr_cli *cli)
{
    struct mr_err err = {0};
    return list(cli, &err) == MR_OK ? MR_CLI_DONE : mr_cli_report(cli, NULL, &err);
}
