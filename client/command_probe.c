/* probe: describes files. */
#include "client/api.h"
#include "client/commands.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/source.h"
#include "client/tasks.h"

#include <inttypes.h>

/* The server probes for longer than a request may take: its task is followed, and deleted, as it is of no further use. */
static enum mr_status follow(struct mr_cli *cli, const char *label, const json_t *begun, json_t **ret_facts,
                             struct mr_err *err)
{
    char id[32], path[64];
    MR_AUTO_JSON json_t *task = NULL;
    snprintf(id, sizeof id, "%" PRId64, (int64_t)json_integer_value(json_object_get(begun, "id")));
    snprintf(path, sizeof path, "/api/tasks/%s", id);
    const struct mr_cli_call call = {.method = "DELETE", .path = path};
    MR_TRY(mr_cli_task_wait(cli, id, label, &task, err));
    (void)!mr_cli_call(cli, &call, NULL, NULL);
    MR_TRY(mr_cli_task_outcome(task, err));
    *ret_facts = json_incref(json_object_get(json_object_get(task, "result"), "input"));
    return MR_OK;
}

static enum mr_status probe_one(struct mr_cli *cli, struct mr_cli_source *source, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_object(), *answer = NULL, *facts = NULL;
    MR_TRY(mr_cli_source_post(cli, source, "/api/probe", body, false, &answer, err));
    mr_cli_source_done(source);
    facts = json_incref(json_object_get(answer, "probe"));
    if (!facts)
        MR_TRY(follow(cli, source->word, json_object_get(answer, "task"), &facts, err));
    mr_cli_progress_clear(cli);
    if (!facts)
        return mr_fail(err, MR_UNAVAILABLE, "the answer must have a probe");
    return mr_cli_print_json(facts, !cli->arguments->json, err);
}

enum mr_cli_exit mr_cli_probe(struct mr_cli *cli)
{
    enum mr_cli_exit result = MR_CLI_DONE;
    for (int i = 0; i < cli->arguments->word_count && !mr_cli_exit_ends_all(result); i++) {
        struct mr_err err = {0};
        MR_AUTO(mr_cli_source) struct mr_cli_source source = mr_cli_source_of(cli->arguments->words[i]);
        if (probe_one(cli, &source, &err) != MR_OK)
            result = mr_cli_exit_join(result, mr_cli_report(cli, source.word, &err));
    }
    return result;
}
