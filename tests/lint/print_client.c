/* Prints the tables of the command line as JSON lines: its commands, options and exit statuses. */
#include "client/arguments.h"
#include "client/exits.h"

#include <stdio.h>

static int print(json_t *made)
{
    MR_AUTO_JSON json_t *line = made;
    return line && json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF ? 0 : 1;
}

static json_t *command(int id)
{
    const struct mr_cli_command_row *row = mr_cli_command_row((enum mr_cli_command_id)id);
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "table", "command", "name", row->name, "words", row->words,
                     "meaning", row->meaning, "bit", 1 << id);
}

static json_t *option(const struct mr_cli_option_row *row)
{
    const char letter[] = {row->letter, '\0'};
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "table", "option", "name", row->name, "letter", letter,
                     "value", row->value ? row->value : "", "meaning", row->meaning, "commands",
                     (int)row->commands);
}

int main(void)
{
    int failed = 0;
    for (int id = 0; id < MR_CLI_COMMANDS; id++)
        failed |= print(command(id));
    for (size_t i = 0; mr_cli_option_at(i); i++)
        failed |= print(option(mr_cli_option_at(i)));
    for (size_t i = 0; mr_cli_exit_at(i); i++)
        failed |= print(json_pack("{s:s, s:i, s:s}", "table", "exit", "number", mr_cli_exit_at(i)->number,
                                  "meaning", mr_cli_exit_at(i)->meaning));
    return failed;
}
