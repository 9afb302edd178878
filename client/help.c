#include "client/help.h"

enum { NAME_COLUMNS = 24 };

static void print_commands(void)
{
    printf("usage: mediarun COMMAND [OPTION]… [WORD]…\n\nConverts audio and video files on a mediarun "
           "server.\n\n");
    for (int id = 0; id < MR_CLI_COMMANDS; id++) {
        const struct mr_cli_command_row *row = mr_cli_command_row((enum mr_cli_command_id)id);
        printf("  %-8s %s\n", row->name, row->meaning);
    }
    printf("\nMEDIARUN_URL is the server (default http://localhost:8080); MEDIARUN_API_KEY a key, instead of "
           "login.\n"
           "mediarun COMMAND --help explains a command; man mediarun all of it.\n");
}

static void print_options(enum mr_cli_command_id command)
{
    const struct mr_cli_option_row *row;
    for (size_t i = 0; (row = mr_cli_option_at(i)); i++) {
        char name[64], letter[8] = "    ";
        if (!(row->commands & 1U << command))
            continue;
        if (row->letter)
            snprintf(letter, sizeof letter, "-%c, ", row->letter);
        snprintf(name, sizeof name, "%s--%s%s%s", letter, row->name, row->value ? " " : "",
                 row->value ? row->value : "");
        printf("  %-*s %s\n", NAME_COLUMNS, name, row->meaning);
    }
}

void mr_cli_help(enum mr_cli_command_id command)
{
    if (command == MR_CLI_COMMANDS) {
        print_commands();
        return;
    }
    const struct mr_cli_command_row *row = mr_cli_command_row(command);
    printf("usage: mediarun %s [OPTION]…%s%s\n\n%s\n\n", row->name, row->words[0] ? " " : "", row->words,
           row->meaning);
    print_options(command);
}
