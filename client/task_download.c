/* Getting the results of a task. */
#include "client/api.h"
#include "client/fetch.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/tasks.h"

static enum mr_status path_for(struct mr_cli *cli, const json_t *outputs, const json_t *output, char **ret,
                               struct mr_err *err)
{
    const char *wanted = cli->arguments->output;
    if (wanted && json_array_size(outputs) > 1 && !mr_cli_output_is_folder(wanted))
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s must be a folder: there are %zu results", wanted,
                            json_array_size(outputs));
    return mr_cli_output_path(wanted, mr_cli_text(output, "file_name"), ret, err);
}

/* All or none: nothing is downloaded if something is in the way. */
static enum mr_status check_paths(struct mr_cli *cli, const json_t *outputs, struct mr_err *err)
{
    size_t i;
    json_t *output;
    json_array_foreach (outputs, i, output) {
        MR_AUTO_STR char *path = NULL;
        MR_TRY(path_for(cli, outputs, output, &path, err));
        if (!cli->arguments->force)
            MR_TRY(mr_cli_output_check(path, err));
    }
    return MR_OK;
}

static enum mr_status download_one(struct mr_cli *cli, const json_t *task, const json_t *outputs,
                                   const json_t *source, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO(mr_cli_output) struct mr_cli_output output = MR_CLI_OUTPUT_INIT;
    const struct mr_cli_fetch fetch = {.file_id = mr_cli_text(task, "file_id"),
                                       .n = (int)json_integer_value(json_object_get(source, "n")),
                                       .size = json_integer_value(json_object_get(source, "size"))};
    MR_TRY(path_for(cli, outputs, source, &path, err));
    MR_TRY(mr_cli_output_open(path, cli->arguments->force, &output, err));
    mr_cli_progress_begin(cli, path ? path : "-", "arrives");
    MR_TRY(mr_cli_fetch(cli, &fetch, &output, err));
    MR_TRY(mr_cli_output_finish(&output, err));
    mr_cli_progress_clear(cli);
    return path && !cli->arguments->json ? mr_cli_print(path, err) : MR_OK;
}

enum mr_status mr_cli_task_download(struct mr_cli *cli, const json_t *task, const char *label,
                                    struct mr_err *err)
{
    const json_t *outputs = json_object_get(task, "outputs");
    size_t i;
    json_t *output;
    if (json_array_size(outputs) == 0)
        return mr_fail(err, MR_INVALID, "task %s has no result to download", label);
    MR_TRY(check_paths(cli, outputs, err));
    json_array_foreach (outputs, i, output)
        MR_TRY(download_one(cli, task, outputs, output, err));
    return MR_OK;
}
