/* admin: what operators see and do. Each action is a row of a table: a call of /api/operator, and how its answer is printed. */
#include "client/api.h"
#include "client/commands.h"
#include "client/report.h"
#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

#include <inttypes.h>

enum { PATH_MAX_BYTES = 1024, LINE_BYTES = 512, PAGE_MAX = 1000, DRAIN_MS = 2000, DATE_CHARACTERS = 16 };

typedef enum mr_status print_entry(const json_t *entry, struct mr_err *err);

struct action {
    const char *name;
    const char *method;
    const char *path;       /* before the word, if there is one */
    const char *after_word; /* of the path; NULL: the action has no word of its own in it */
    const char *parameter;  /* of the query, that the word is the value of; NULL: none */
    int min_words, max_words;
    bool is_list; /* takes --max */
    print_entry *print;
};

static int64_t number(const json_t *entry, const char *name)
{
    return json_integer_value(json_object_get(entry, name));
}

/* A text that the server knows from others, for a terminal. */
static enum mr_status print_line(const char *line, struct mr_err *err)
{
    char safe[LINE_BYTES];
    mr_utf8_storable(line, strlen(line), safe, sizeof safe);
    return mr_cli_print(safe, err);
}

static enum mr_status print_failures(const json_t *entry, struct mr_err *err)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "%8" PRId64 "  %-28s last %.*s  newest task %" PRId64, number(entry, "count"),
             mr_cli_text(entry, "code"), DATE_CHARACTERS, mr_cli_text(entry, "last_at"),
             (int64_t)json_integer_value(json_array_get(json_object_get(entry, "tasks"), 0)));
    return print_line(line, err);
}

static enum mr_status print_task(const json_t *entry, struct mr_err *err)
{
    char line[LINE_BYTES];
    const char *code = mr_cli_text(entry, "code");
    snprintf(line, sizeof line, "%8" PRId64 "  user %-6" PRId64 " %-14s %-13s %.*s  %s%s%.200s",
             number(entry, "id"), number(entry, "user_id"), mr_cli_text(entry, "kind"),
             mr_cli_text(entry, "reason"), DATE_CHARACTERS, mr_cli_text(entry, "uploaded_at"), code,
             code[0] ? ": " : "", mr_cli_text(entry, "detail"));
    return print_line(line, err);
}

static enum mr_status print_dead_letter(const json_t *entry, struct mr_err *err)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line,
             "%8" PRId64 "  user %-6" PRId64 " %-14s %-10s %" PRId64 " times, last %.*s%s%.*s",
             number(entry, "task_id"), number(entry, "user_id"), mr_cli_text(entry, "kind"),
             mr_cli_text(entry, "status"), number(entry, "times"), DATE_CHARACTERS,
             mr_cli_text(entry, "last_at"), mr_cli_text(entry, "requeued_at")[0] ? ", requeued " : "",
             DATE_CHARACTERS, mr_cli_text(entry, "requeued_at"));
    return print_line(line, err);
}

static enum mr_status print_usage(const json_t *entry, struct mr_err *err)
{
    char line[LINE_BYTES];
    const char *name;
    json_t *value;
    snprintf(line, sizeof line, "%s (%" PRId64 ")%s", mr_cli_text(entry, "username"), number(entry, "id"),
             json_is_true(json_object_get(entry, "is_operator")) ? ", operator" : "");
    MR_TRY(print_line(line, err));
    json_object_foreach (json_object_get(entry, "used"), name, value) {
        const json_t *limit = json_object_get(json_object_get(entry, "limits"), name);
        char of[MR_INT64_TEXT_MAX + 8] = "";
        if (json_is_integer(limit))
            snprintf(of, sizeof of, " of %" PRId64, (int64_t)json_integer_value(limit));
        snprintf(line, sizeof line, "  %-13s %.15g%s", name, json_number_value(value), of);
        MR_TRY(print_line(line, err));
    }
    return MR_OK;
}

static enum mr_status print_leases(const json_t *entry, struct mr_err *err)
{
    size_t i;
    json_t *lane;
    json_array_foreach (json_object_get(entry, "lanes"), i, lane) {
        char line[LINE_BYTES], oldest[LINE_BYTES / 2] = "";
        const json_t *one = json_object_get(lane, "oldest");
        if (json_is_number(json_object_get(one, "seconds")))
            snprintf(oldest, sizeof oldest, ", oldest %.0f s: task %" PRId64,
                     json_number_value(json_object_get(one, "seconds")), number(one, "id"));
        snprintf(line, sizeof line, "%-10s %" PRId64 " live, %" PRId64 " expired%s",
                 mr_cli_text(lane, "lane"), number(lane, "live"), number(lane, "expired"), oldest);
        MR_TRY(print_line(line, err));
    }
    return MR_OK;
}

static const struct action actions[] = {
    {"failures", "GET", "/api/operator/failures", NULL, NULL, 0, 0, false, print_failures},
    {"failed", "GET", "/api/operator/failed", NULL, "code", 0, 1, true, print_task},
    {"stuck", "GET", "/api/operator/stuck", NULL, NULL, 0, 0, true, print_task},
    {"dead-letters", "GET", "/api/operator/dead-letters", NULL, NULL, 0, 0, true, print_dead_letter},
    {"leases", "GET", "/api/operator/leases", NULL, NULL, 0, 0, false, print_leases},
    {"usage", "GET", "/api/operator/users/", "/usage", NULL, 1, INT32_MAX, false, print_usage},
    {"requeue", "POST", "/api/operator/tasks/", "/requeue", NULL, 1, INT32_MAX, false, NULL},
    {"drain", "GET", "/api/operator/leases", NULL, NULL, 0, 0, false, print_leases},
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static enum mr_status path_of(const struct mr_cli *cli, const struct action *action, const char *word,
                              struct mr_buf *path, struct mr_err *err)
{
    const int64_t max = cli->arguments->max;
    MR_TRY(mr_buf_append_str(path, action->path, err));
    if (action->after_word) {
        MR_TRY(mr_percent_encode(path, word, false, err));
        return mr_buf_append_str(path, action->after_word, err);
    }
    if (action->is_list)
        MR_TRY(mr_buf_appendf(path, err, "?max=%" PRId64, max < PAGE_MAX ? max : PAGE_MAX));
    if (action->parameter && word) {
        MR_TRY(mr_buf_appendf(path, err, "%c%s=", action->is_list ? '&' : '?', action->parameter));
        return mr_percent_encode(path, word, false, err);
    }
    return MR_OK;
}

static enum mr_status call(struct mr_cli *cli, const struct action *action, const char *word, json_t **ret,
                           struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf path = MR_BUF_INIT(PATH_MAX_BYTES);
    MR_TRY(path_of(cli, action, word, &path, err));
    /* A task that is requeued twice has another generation, and the first run is lost. */
    const struct mr_cli_call one = {
        .method = action->method, .path = mr_buf_str(&path), .once = strcmp(action->method, "POST") == 0};
    return mr_cli_call(cli, &one, ret, err);
}

static enum mr_status print(const struct mr_cli *cli, const struct action *action, const json_t *answer,
                            struct mr_err *err)
{
    size_t i;
    json_t *entry;
    if (cli->arguments->json && !json_is_array(answer))
        return mr_cli_print_json(answer, false, err);
    if (!json_is_array(answer))
        return action->print ? action->print(answer, err) : MR_OK;
    json_array_foreach (answer, i, entry)
        MR_TRY(cli->arguments->json ? mr_cli_print_json(entry, false, err) : action->print(entry, err));
    return MR_OK;
}

static enum mr_status act(struct mr_cli *cli, const struct action *action, const char *word,
                          struct mr_err *err)
{
    MR_AUTO_JSON json_t *answer = NULL;
    MR_TRY(call(cli, action, word, &answer, err));
    return print(cli, action, answer, err);
}

/* Reports each change of the number, and ends when it is 0. A lease that has expired holds nothing: its worker is dead or
 * frozen, and can commit nothing. */
static enum mr_status drain(struct mr_cli *cli, const struct action *action, struct mr_err *err)
{
    int64_t before = -1;
    for (;;) {
        MR_AUTO_JSON json_t *answer = NULL;
        MR_TRY(call(cli, action, NULL, &answer, err));
        const json_t *live = json_object_get(answer, "live");
        if (!json_is_integer(live))
            return mr_fail(err, MR_UNAVAILABLE, "the answer must be a count of leases");
        if (json_integer_value(live) == 0)
            return print(cli, action, answer, err);
        if (json_integer_value(live) != before)
            mr_cli_note(cli, NULL, "%" PRId64 " leases live", (int64_t)json_integer_value(live));
        before = json_integer_value(live);
        MR_TRY(mr_cli_pause(cli, DRAIN_MS, err));
    }
}

static enum mr_cli_exit fail_usage(const char *text, const char *name)
{
    fprintf(stderr, "mediarun: admin: %s %s\nmediarun: mediarun admin --help explains the actions\n", name,
            text);
    return MR_CLI_USAGE;
}

enum mr_cli_exit mr_cli_admin(struct mr_cli *cli)
{
    char *const *words = cli->arguments->words;
    const int count = cli->arguments->word_count - 1;
    const struct action *action = find_action(words[0]);
    struct mr_err err = {0};
    if (!action)
        return fail_usage("is not an action", words[0]);
    if (count < action->min_words || count > action->max_words)
        return fail_usage(count < action->min_words ? "needs a name or an id" : "has too many words",
                          words[0]);
    if (strcmp(action->name, "drain") == 0)
        return drain(cli, action, &err) == MR_OK ? MR_CLI_DONE : mr_cli_report(cli, NULL, &err);
    if (!action->after_word)
        return act(cli, action, count ? words[1] : NULL, &err) == MR_OK ? MR_CLI_DONE
                                                                        : mr_cli_report(cli, NULL, &err);
    enum mr_cli_exit result = MR_CLI_DONE;
    for (int i = 1; i <= count && !mr_cli_exit_ends_all(result); i++)
        if (act(cli, action, words[i], &err) != MR_OK)
            result = mr_cli_exit_join(result, mr_cli_report(cli, words[i], &err));
    return result;
}
