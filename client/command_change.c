/* rm and cancel. */
#include "client/api.h"
#include "client/commands.h"
#include "client/report.h"
#include "shared/base/encoding.h"

enum { PATH_MAX_BYTES = 512 };

static enum mr_status change_one(struct mr_cli *cli, const char *method, const char *id, const char *more,
                                 struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf path = MR_BUF_INIT(PATH_MAX_BYTES);
    MR_AUTO_JSON json_t *answer = NULL;
    bool wants_json = cli->arguments->json;
    MR_TRY(mr_buf_append_str(&path, "/api/tasks/", err));
    MR_TRY(mr_percent_encode(&path, id, false, err));
    MR_TRY(mr_buf_append_str(&path, more, err));
    const struct mr_cli_call call = {.method = method, .path = mr_buf_str(&path)};
    MR_TRY(mr_cli_call(cli, &call, wants_json ? &answer : NULL, err));
    return wants_json ? mr_cli_print_json(answer, false, err) : MR_OK;
}

static enum mr_cli_exit change_all(struct mr_cli *cli, const char *method, const char *more)
{
    enum mr_cli_exit result = MR_CLI_DONE;
    for (int i = 0; i < cli->arguments->word_count && !mr_cli_exit_ends_all(result); i++) {
        struct mr_err err = {0};
        const char *id = cli->arguments->words[i];
        if (change_one(cli, method, id, more, &err) != MR_OK)
            result = mr_cli_exit_join(result, mr_cli_report(cli, id, &err));
    }
    return result;
}

enum mr_cli_exit mr_cli_remove(struct mr_cli *cli)
{
    return change_all(cli, "DELETE", "");
}

enum mr_cli_exit mr_cli_cancel(struct mr_cli *cli)
{
    return change_all(cli, "POST", "/cancel");
}
