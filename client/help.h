/* The help of the program and of its commands, from the tables in arguments.h. */
#ifndef MR_CLIENT_HELP_H
#define MR_CLIENT_HELP_H

#include "client/arguments.h"

/* MR_CLI_COMMANDS: of the program. */
void mr_cli_help(enum mr_cli_command_id command);

#endif
