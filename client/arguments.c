#include "client/arguments.h"

#include "shared/base/encoding.h"

#include <getopt.h>
#include <limits.h>

static const struct mr_cli_command_row commands[MR_CLI_COMMANDS] = {
    [MR_CLI_LOGIN] = {"login", "[NAME]", 0, 1,
                      "Signs in with a name or mail address, and keeps an API key for this server."},
    [MR_CLI_LOGOUT] = {"logout", "", 0, 0, "Revokes that key and forgets it."},
    [MR_CLI_CONVERT] = {"convert", "FILE…", 1, INT_MAX,
                        "Converts files (URLs; - is standard input), and downloads the results."},
    [MR_CLI_LS] = {"ls", "", 0, 0, "Lists tasks, the newest first."},
    [MR_CLI_GET] = {"get", "ID…", 1, INT_MAX, "Waits for tasks and downloads their results."},
    [MR_CLI_RM] = {"rm", "ID…", 1, INT_MAX, "Deletes tasks with their files."},
    [MR_CLI_CANCEL] = {"cancel", "ID…", 1, INT_MAX, "Ends tasks that wait or run."},
    [MR_CLI_PROBE] = {"probe", "FILE…", 1, INT_MAX, "Describes files: streams, tags, duration."},
    [MR_CLI_ADMIN] = {"admin", "ACTION [WORD]…", 1, INT_MAX,
                      "For operators: failures, failed [CODE], stuck, dead-letters, requeue ID…, usage "
                      "NAME…, leases; drain waits "
                      "until no lease lives."},
};

const struct mr_cli_command_row *mr_cli_command_row(enum mr_cli_command_id id)
{
    return &commands[id];
}

enum {
    CONVERT = 1 << MR_CLI_CONVERT,
    LS = 1 << MR_CLI_LS,
    GET = 1 << MR_CLI_GET,
    PROBE = 1 << MR_CLI_PROBE,
    ADMIN = 1 << MR_CLI_ADMIN,
    SEND = CONVERT | PROBE,
    FETCH = CONVERT | GET,
    EVERY = (1 << MR_CLI_COMMANDS) - 1,
    LIST_DEFAULT = 20,
    LIST_MAX = 1000000,
};

/* An option that has no letter is known by its index. */
static const struct mr_cli_option_row rows[] = {
    {"to", 't', "FORMAT", CONVERT, "The format of the result."},
    {"option", 'O', "NAME=VALUE", CONVERT,
     "An option of the conversion, such as bitrate=96000 or resize.width=640. May be repeated."},
    {"preset", 0, "NAME", CONVERT, "A named set of options."},
    {"priority", 0, "WORD", CONVERT, "high or normal."},
    {"callback", 0, "URL", CONVERT, "Where the server reports the end of the task, too."},
    {"reuse", 0, NULL, CONVERT,
     "An earlier result of the same file with the same options may be the answer."},
    {"output", 'o', "PATH", FETCH,
     "The file or the folder of the result; - is standard output. Default: the name that the server gives, "
     "in the "
     "current folder."},
    {"force", 'f', NULL, FETCH, "Overwrites files."},
    {"name", 0, "NAME", SEND, "The name of the file for the server, for standard input above all."},
    {"no-wait", 0, NULL, CONVERT, "Prints the task's id as soon as the file is sent, and ends."},
    {"watch", 'w', NULL, FETCH, "Reports the progress on standard error, also where that is no terminal."},
    {"status", 0, "STATUS", LS, "Only tasks in these states, with commas."},
    {"max", 'n', "NUMBER", LS | ADMIN, "How many tasks at most. Default: 20."},
    {"json", 'j', NULL, EVERY, "Prints the server's JSON, one document a line."},
    {"quiet", 'q', NULL, EVERY, "Shows no progress."},
    {"help", 'h', NULL, EVERY, "Explains the command."},
    {"version", 'V', NULL, EVERY, "Prints the version."},
};
enum { ROWS = sizeof rows / sizeof *rows, FIRST_INDEX = 256 };

const struct mr_cli_option_row *mr_cli_option_at(size_t index)
{
    return index < ROWS ? &rows[index] : NULL;
}

void mr_cli_arguments_free(struct mr_cli_arguments *arguments)
{
    json_decref(arguments->options);
    arguments->options = NULL;
}

/* The member that a dotted name leads to, its parents made; *ret_last is the last part of the name. */
static enum mr_status descend(json_t *options, char *name, json_t **ret_parent, char **ret_last,
                              struct mr_err *err)
{
    json_t *parent = options;
    char *dot;
    while ((dot = strchr(name, '.'))) {
        *dot = '\0';
        json_t *next = json_object_get(parent, name);
        if (!next && json_object_set_new(parent, name, json_object()) != 0)
            return mr_fail(err, MR_INVALID, "option: its name must be UTF-8");
        parent = json_object_get(parent, name);
        if (!json_is_object(parent))
            return mr_fail(err, MR_INVALID, "option %s is given as a value and as parts", name);
        name = dot + 1;
    }
    *ret_parent = parent;
    *ret_last = name;
    return MR_OK;
}

enum mr_status mr_cli_option_add(json_t *options, const char *text, struct mr_err *err)
{
    const char *equals = strchr(text, '=');
    json_t *parent = NULL;
    char *last = NULL;
    if (!equals || equals == text)
        return mr_fail(err, MR_INVALID, "option %s must be NAME=VALUE", text);
    MR_AUTO_STR char *name = strndup(text, (size_t)(equals - text));
    MR_AUTO_JSON json_t *value = json_loads(equals + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!name)
        return mr_fail_oom(err);
    if (!value)
        value = json_string(equals + 1);
    if (!value)
        return mr_fail(err, MR_INVALID, "option %.*s must be UTF-8", (int)(equals - text), text);
    MR_TRY(descend(options, name, &parent, &last, err));
    if (json_object_get(parent, last))
        return mr_fail(err, MR_INVALID, "option %.*s is given twice", (int)(equals - text), text);
    if (json_object_set(parent, last, value) != 0)
        return mr_fail(err, MR_INVALID, "option %.*s must be UTF-8", (int)(equals - text), text);
    return MR_OK;
}

static int value_of(size_t index)
{
    return rows[index].letter ? rows[index].letter : FIRST_INDEX + (int)index;
}

/* The row that getopt_long's value belongs to; NULL: none. */
static const struct mr_cli_option_row *row_of(int value)
{
    for (size_t i = 0; i < ROWS; i++)
        if (value_of(i) == value)
            return &rows[i];
    return NULL;
}

static enum mr_status take_max(struct mr_cli_arguments *ret, const char *value, struct mr_err *err)
{
    if (mr_parse_int64(value, 1, LIST_MAX, &ret->max))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "--max must be a whole number from 1 to %d", LIST_MAX);
}

static enum mr_status take_option(struct mr_cli_arguments *ret, const char *value, struct mr_err *err)
{
    if (!ret->options)
        ret->options = json_object();
    return ret->options ? mr_cli_option_add(ret->options, value, err) : mr_fail_oom(err);
}

static enum mr_status take(struct mr_cli_arguments *ret, const struct mr_cli_option_row *row,
                           const char *value, struct mr_err *err)
{
    const struct {
        const char *name;
        const char **text;
        bool *flag;
    } members[] = {
        {"to", &ret->to, NULL},
        {"preset", &ret->preset, NULL},
        {"priority", &ret->priority, NULL},
        {"callback", &ret->callback, NULL},
        {"output", &ret->output, NULL},
        {"name", &ret->name, NULL},
        {"status", &ret->status, NULL},
        {"reuse", NULL, &ret->reuse},
        {"force", NULL, &ret->force},
        {"no-wait", NULL, &ret->no_wait},
        {"watch", NULL, &ret->watch},
        {"json", NULL, &ret->json},
        {"quiet", NULL, &ret->quiet},
        {"help", NULL, &ret->help},
        {"version", NULL, &ret->version},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, row->name) != 0)
            continue;
        if (members[i].text)
            *members[i].text = value;
        else
            *members[i].flag = true;
        return MR_OK;
    }
    return row->value && strcmp(row->name, "max") == 0 ? take_max(ret, value, err)
                                                       : take_option(ret, value, err);
}

/* The tables in getopt_long's form: the options of one command. */
static void prepare(enum mr_cli_command_id command, struct option longs[ROWS + 1], char shorts[2 * ROWS + 3])
{
    size_t count = 0, used = 0;
    shorts[used++] = ':'; /* a missing value is told from an unknown option */
    for (size_t i = 0; i < ROWS; i++) {
        if (command != MR_CLI_COMMANDS && !(rows[i].commands & 1U << command))
            continue;
        longs[count++] =
            (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL, value_of(i)};
        if (rows[i].letter) {
            shorts[used++] = rows[i].letter;
            if (rows[i].value)
                shorts[used++] = ':';
        }
    }
    shorts[used] = '\0';
    longs[count] = (struct option){0};
}

static enum mr_status read_options(int argc, char **argv, struct mr_cli_arguments *ret, struct mr_err *err)
{
    struct option longs[ROWS + 1];
    char shorts[2 * ROWS + 3];
    int value;
    prepare(ret->command, longs, shorts);
    opterr = 0;
    optind = 0; /* starts again, should it have been called before */
    while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct mr_cli_option_row *row = row_of(value);
        const char *seen = argv[optind > 0 ? optind - 1 : 0];
        if (value == ':')
            return mr_fail(err, MR_INVALID, "%s must be followed by a value", seen);
        if (!row)
            return mr_fail(err, MR_INVALID, "%s is not an option of %s", seen,
                           ret->command == MR_CLI_COMMANDS ? "mediarun" : commands[ret->command].name);
        MR_TRY(take(ret, row, optarg, err));
    }
    ret->words = argv + optind;
    ret->word_count = argc - optind;
    return MR_OK;
}

static enum mr_status check_convert(const struct mr_cli_arguments *ret, struct mr_err *err)
{
    if (!ret->to && !ret->preset)
        return mr_fail(err, MR_INVALID, "convert needs --to FORMAT");
    if (ret->options && ret->preset)
        return mr_fail(err, MR_INVALID, "--preset and --option cannot stand together");
    if (ret->no_wait && (ret->output || ret->watch))
        return mr_fail(err, MR_INVALID, "--no-wait ends before there is a result to be written or watched");
    return MR_OK;
}

static enum mr_status check(const struct mr_cli_arguments *ret, struct mr_err *err)
{
    const struct mr_cli_command_row *row = &commands[ret->command];
    if (ret->word_count < row->min_words)
        return mr_fail(err, MR_INVALID, "%s needs %s", row->name, row->words);
    if (ret->word_count > row->max_words)
        return mr_fail(err, MR_INVALID, "%s takes no %s", row->name, ret->words[row->max_words]);
    if (ret->name && ret->word_count > 1)
        return mr_fail(err, MR_INVALID, "--name is for one file");
    return ret->command == MR_CLI_CONVERT ? check_convert(ret, err) : MR_OK;
}

static enum mr_cli_command_id find_command(const char *name)
{
    int id = 0;
    while (id < MR_CLI_COMMANDS && strcmp(commands[id].name, name) != 0)
        id++;
    return (enum mr_cli_command_id)id;
}

enum mr_status mr_cli_arguments_read(int argc, char **argv, struct mr_cli_arguments *ret, struct mr_err *err)
{
    bool is_help = argc > 1 && strcmp(argv[1], "help") == 0;
    ret->max = LIST_DEFAULT;
    ret->command = MR_CLI_COMMANDS;
    if (argc < 2)
        return mr_fail(err, MR_INVALID, "a command is required");
    if (argv[1][0] == '-') {
        MR_TRY(read_options(argc, argv, ret, err));
        if (ret->help || ret->version)
            return MR_OK;
        return mr_fail(err, MR_INVALID, "the command must stand before its options");
    }
    ret->help = is_help;
    if (is_help && argc == 2)
        return MR_OK;
    ret->command = find_command(argv[is_help ? 2 : 1]);
    if (ret->command == MR_CLI_COMMANDS)
        return mr_fail(err, MR_INVALID, "%s is not a command", argv[is_help ? 2 : 1]);
    if (is_help)
        return MR_OK;
    MR_TRY(read_options(argc - 1, argv + 1, ret, err));
    return ret->help || ret->version ? MR_OK : check(ret, err);
}
