/* get: waits for tasks and downloads their results. */
#include "client/api.h"
#include "client/commands.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/tasks.h"

static enum mr_status get_one(struct mr_cli *cli, const char *id, struct mr_err *err)
{
    MR_AUTO_JSON json_t *task = NULL;
    MR_TRY(mr_cli_task_wait(cli, id, id, &task, err));
    mr_cli_progress_clear(cli);
    if (cli->arguments->json)
        MR_TRY(mr_cli_print_json(task, false, err));
    MR_TRY(mr_cli_task_outcome(task, err));
    return mr_cli_task_download(cli, task, id, err);
}

enum mr_cli_exit mr_cli_get(struct mr_cli *cli)
{
    enum mr_cli_exit result = MR_CLI_DONE;
    for (int i = 0; i < cli->arguments->word_count && !mr_cli_exit_ends_all(result); i++) {
        struct mr_err err = {0};
        const char *id = cli->arguments->words[i];
        if (get_one(cli, id, &err) != MR_OK)
            result = mr_cli_exit_join(result, mr_cli_report(cli, id, &err));
    }
    return result;
}
