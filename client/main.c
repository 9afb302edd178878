/* mediarun: converts files on a mediarun server, from the command line. client/mediarun.1 describes it. */
#include "client/commands.h"
#include "client/credentials.h"
#include "client/help.h"
#include "client/report.h"
#include "shared/base/process.h"
#include "shared/base/version.h"

#include <errno.h>

static enum mr_cli_exit (*const runs[MR_CLI_COMMANDS])(struct mr_cli *) = {
    [MR_CLI_LOGIN] = mr_cli_login,   [MR_CLI_LOGOUT] = mr_cli_logout, [MR_CLI_CONVERT] = mr_cli_convert,
    [MR_CLI_LS] = mr_cli_list,       [MR_CLI_GET] = mr_cli_get,       [MR_CLI_RM] = mr_cli_remove,
    [MR_CLI_CANCEL] = mr_cli_cancel, [MR_CLI_PROBE] = mr_cli_probe,   [MR_CLI_ADMIN] = mr_cli_admin,
};

/* MEDIARUN_API_KEY goes before what login has kept. login and logout need neither. */
static enum mr_status find_key(struct mr_cli *cli, json_t **ret_entry, struct mr_err *err)
{
    enum mr_cli_command_id command = cli->arguments->command;
    cli->key = cli->settings->key;
    if (cli->key || command == MR_CLI_LOGIN || command == MR_CLI_LOGOUT)
        return MR_OK;
    MR_TRY(mr_cli_credentials_find(cli->settings, ret_entry, err));
    cli->key = json_string_value(json_object_get(*ret_entry, "key"));
    if (!cli->key)
        return mr_fail(err, MR_UNAUTHENTICATED, "key for %s is missing", cli->settings->server);
    return MR_OK;
}

static void prepare_progress(struct mr_cli *cli)
{
    bool is_terminal = isatty(STDERR_FILENO) && !cli->settings->is_dumb;
    cli->progress.is_shown = is_terminal && !cli->arguments->quiet;
    cli->progress.has_lines = !is_terminal && cli->arguments->watch && !cli->arguments->quiet;
}

static enum mr_cli_exit run(struct mr_cli *cli)
{
    struct mr_err err = {0};
    char agent[64];
    MR_AUTO_JSON json_t *entry = NULL;
    MR_AUTO(mr_http_client) struct mr_http_client *http = NULL;
    snprintf(agent, sizeof agent, "mediarun-client/%s", mr_version);
    if (find_key(cli, &entry, &err) != MR_OK || mr_http_client_new(agent, &http, &err) != MR_OK)
        return mr_cli_report(cli, NULL, &err);
    cli->http = http;
    prepare_progress(cli);
    return runs[cli->arguments->command](cli);
}

static enum mr_cli_exit usage(const struct mr_err *failure)
{
    fprintf(stderr, "mediarun: %s\nmediarun: mediarun --help explains the commands\n", failure->message);
    return MR_CLI_USAGE;
}

/* What was written may still wait in a buffer, for a disk that is full. */
static enum mr_cli_exit end(enum mr_cli_exit status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "mediarun: standard output: %s\n", strerror(errno));
    return status == MR_CLI_DONE ? MR_CLI_LOCAL : status;
}

int main(int argc, char **argv)
{
    struct mr_err err = {0};
    MR_AUTO(mr_cli_arguments) struct mr_cli_arguments arguments = {0};
    MR_AUTO(mr_cli_settings) struct mr_cli_settings settings = {0};
    struct mr_cli cli = {.arguments = &arguments, .settings = &settings};
    mr_process_prepare(&cli.signals);
    mr_process_raise_descriptors();
    if (mr_cli_arguments_read(argc, argv, &arguments, &err) != MR_OK)
        return (int)usage(&err);
    if (arguments.help)
        mr_cli_help(arguments.command);
    else if (arguments.version)
        printf("mediarun %s\n", mr_version);
    else if (mr_cli_settings_read(&settings, &err) != MR_OK)
        return (int)usage(&err);
    else
        return (int)end(run(&cli));
    return (int)end(MR_CLI_DONE);
}
