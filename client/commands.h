/* The commands: each does its work, reports its failures, and returns the exit status. */
#ifndef MR_CLIENT_COMMANDS_H
#define MR_CLIENT_COMMANDS_H

#include "client/cli.h"
#include "client/exits.h"

enum mr_cli_exit mr_cli_login(struct mr_cli *cli);
enum mr_cli_exit mr_cli_logout(struct mr_cli *cli);
enum mr_cli_exit mr_cli_convert(struct mr_cli *cli);
enum mr_cli_exit mr_cli_list(struct mr_cli *cli);
enum mr_cli_exit mr_cli_get(struct mr_cli *cli);
enum mr_cli_exit mr_cli_remove(struct mr_cli *cli);
enum mr_cli_exit mr_cli_cancel(struct mr_cli *cli);
enum mr_cli_exit mr_cli_probe(struct mr_cli *cli);
enum mr_cli_exit mr_cli_admin(struct mr_cli *cli);

#endif
