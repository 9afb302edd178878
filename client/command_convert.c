/*
 * convert: sends all files first, so that the server works on the earlier ones meanwhile, then waits for each task and
 * downloads its result. What is known of an upload is kept until its result is here: the same command goes on wherever the
 * first one ended, and makes no second task.
 */
#include "client/api.h"
#include "client/commands.h"
#include "client/output.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/source.h"
#include "client/tasks.h"

#include <inttypes.h>

struct item {
    struct mr_cli_source source;
    json_t *task; /* NULL: there is none to wait for */
};

struct items {
    struct item *first;
    int count;
};
static void items_free(struct items *items)
{
    for (int i = 0; i < items->count; i++) {
        mr_cli_source_free(&items->first[i].source);
        json_decref(items->first[i].task);
    }
    free(items->first);
}
MR_DEFINE_VALUE_CLEANUP(items, items_free)

static enum mr_status add_text(json_t *body, const char *name, const char *text, struct mr_err *err)
{
    return !text || json_object_set_new(body, name, mr_json_text(text)) == 0 ? MR_OK : mr_fail_oom(err);
}

/* The fields of POST /api/tasks but for the input. What they may be, the server says. */
static enum mr_status make_body(const struct mr_cli_arguments *arguments, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_object();
    MR_TRY(add_text(body, "newFormat", arguments->to, err));
    MR_TRY(add_text(body, "preset", arguments->preset, err));
    MR_TRY(add_text(body, "priority", arguments->priority, err));
    MR_TRY(add_text(body, "callback_url", arguments->callback, err));
    if (arguments->reuse && json_object_set_new(body, "reuse", json_true()) != 0)
        return mr_fail_oom(err);
    if (arguments->options && json_object_set(body, "options", arguments->options) != 0)
        return mr_fail_oom(err);
    *ret = MR_TAKE(body);
    return MR_OK;
}

static enum mr_status send_item(struct mr_cli *cli, struct item *item, const json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *answer = NULL;
    MR_TRY(mr_cli_source_post(cli, &item->source, "/api/tasks", body, true, &answer, err));
    item->task = json_incref(json_object_get(answer, "task"));
    return item->task ? MR_OK : mr_fail(err, MR_UNAVAILABLE, "the answer must have a task");
}

static int64_t id_of(const struct item *item)
{
    return json_integer_value(json_object_get(item->task, "id"));
}

/* Says how to go on where the program ends before the work does. */
static void note_left(struct mr_cli *cli, const struct item *item)
{
    if (id_of(item))
        mr_cli_note(cli, item->source.word, "mediarun get %" PRId64 " gets the result", id_of(item));
    else if (item->source.state.fd >= 0 && item->source.state.has_session)
        mr_cli_note(cli, item->source.word, "the same command sends the rest");
}

static enum mr_cli_exit report(struct mr_cli *cli, const struct item *item, const struct mr_err *cause)
{
    enum mr_cli_exit status = mr_cli_report(cli, item->source.word, cause);
    if (status == MR_CLI_LOCAL || mr_cli_exit_ends_all(status))
        note_left(cli, item);
    return status;
}

static enum mr_status print_new(const struct mr_cli *cli, const json_t *task, struct mr_err *err)
{
    char id[32];
    if (cli->arguments->json)
        return mr_cli_print_json(task, false, err);
    snprintf(id, sizeof id, "%" PRId64, (int64_t)json_integer_value(json_object_get(task, "id")));
    return mr_cli_print(id, err);
}

static enum mr_cli_exit send_all(struct mr_cli *cli, struct items *items, const json_t *body)
{
    enum mr_cli_exit result = MR_CLI_DONE;
    for (int i = 0; i < items->count && !mr_cli_exit_ends_all(result); i++) {
        struct mr_err err = {0};
        struct item *item = &items->first[i];
        enum mr_status status = send_item(cli, item, body, &err);
        mr_cli_progress_clear(cli);
        if (status == MR_OK && cli->arguments->no_wait) {
            status = print_new(cli, item->task, &err);
            mr_cli_source_done(&item->source);
        }
        if (status != MR_OK)
            result = mr_cli_exit_join(result, report(cli, item, &err));
    }
    return result;
}

/* The task's outcome; the result is here if it is good. */
static enum mr_status finish(struct mr_cli *cli, struct item *item, struct mr_err *err)
{
    char id[32];
    json_t *ended = NULL;
    snprintf(id, sizeof id, "%" PRId64, id_of(item));
    MR_TRY(mr_cli_task_wait(cli, id, item->source.word, &ended, err));
    json_decref(item->task);
    item->task = ended;
    mr_cli_progress_clear(cli);
    if (cli->arguments->json)
        MR_TRY(mr_cli_print_json(ended, false, err));
    enum mr_status status = mr_cli_task_outcome(ended, err);
    if (status != MR_OK) {
        mr_cli_source_done(&item->source);
        return status;
    }
    MR_TRY(mr_cli_task_download(cli, ended, id, err));
    mr_cli_source_done(&item->source);
    return MR_OK;
}

static enum mr_cli_exit finish_all(struct mr_cli *cli, struct items *items, enum mr_cli_exit result)
{
    for (int i = 0; i < items->count; i++) {
        struct item *item = &items->first[i];
        struct mr_err err = {0};
        if (!item->task)
            continue;
        if (mr_cli_exit_ends_all(result))
            note_left(cli, item);
        else if (finish(cli, item, &err) != MR_OK)
            result = mr_cli_exit_join(result, report(cli, item, &err));
        mr_cli_progress_clear(cli);
    }
    return result;
}

/* What can be known before anything is sent. */
static enum mr_status check_output(const struct mr_cli *cli, struct mr_err *err)
{
    const struct mr_cli_arguments *arguments = cli->arguments;
    bool is_file = arguments->output && !mr_cli_output_is_folder(arguments->output);
    if (is_file && arguments->word_count > 1)
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s must be a folder: there are %d files",
                            arguments->output, arguments->word_count);
    if (!is_file || strcmp(arguments->output, "-") == 0)
        return MR_OK;
    return arguments->force ? MR_OK : mr_cli_output_check(arguments->output, err);
}

enum mr_cli_exit mr_cli_convert(struct mr_cli *cli)
{
    const struct mr_cli_arguments *arguments = cli->arguments;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO(items) struct items items = {.first = calloc((size_t)arguments->word_count, sizeof(struct item))};
    enum mr_status status = items.first ? check_output(cli, &err) : mr_fail_oom(&err);
    if (status == MR_OK)
        status = make_body(arguments, &body, &err);
    if (status != MR_OK)
        return mr_cli_report(cli, NULL, &err);
    items.count = arguments->word_count;
    for (int i = 0; i < items.count; i++)
        items.first[i].source = mr_cli_source_of(arguments->words[i]);
    enum mr_cli_exit result = send_all(cli, &items, body);
    return arguments->no_wait ? result : finish_all(cli, &items, result);
}
