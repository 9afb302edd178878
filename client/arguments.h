/*
 * The command line. Commands and options are tables, from which help and client/mediarun.1 are printed. Reading has no
 * other effect than its result; main's thread alone, because getopt_long has globals.
 */
#ifndef MR_CLIENT_ARGUMENTS_H
#define MR_CLIENT_ARGUMENTS_H

#include "shared/base/cleanup.h"
#include "shared/base/json.h"

enum mr_cli_command_id {
    MR_CLI_LOGIN,
    MR_CLI_LOGOUT,
    MR_CLI_CONVERT,
    MR_CLI_LS,
    MR_CLI_GET,
    MR_CLI_RM,
    MR_CLI_CANCEL,
    MR_CLI_PROBE,
    MR_CLI_ADMIN,
    MR_CLI_COMMANDS,
};

struct mr_cli_command_row {
    const char *name;
    const char *words; /* what follows it, e.g. "FILE…"; "": nothing */
    int min_words, max_words;
    const char *meaning;
};
const struct mr_cli_command_row *mr_cli_command_row(enum mr_cli_command_id id);

struct mr_cli_option_row {
    const char *name;  /* without its dashes */
    char letter;       /* 0: none */
    const char *value; /* what follows it, e.g. "FORMAT"; NULL: nothing */
    unsigned commands; /* 1 << MR_CLI_…, or'ed */
    const char *meaning;
};
/* The row of that index, from 0; NULL past the last. */
const struct mr_cli_option_row *mr_cli_option_at(size_t index);

struct mr_cli_arguments {
    enum mr_cli_command_id command;
    bool help, version; /* then nothing else is set but the command, MR_CLI_COMMANDS if there is none */
    char *const *words; /* argv's */
    int word_count;
    const char *to, *preset, *priority, *callback, *output, *name, *status;
    json_t *options; /* an object; NULL: none given */
    int64_t max;     /* of a list */
    bool watch, no_wait, force, reuse, json, quiet;
};
void mr_cli_arguments_free(struct mr_cli_arguments *arguments);
MR_DEFINE_VALUE_CLEANUP(mr_cli_arguments, mr_cli_arguments_free)

/* Reads argv, whose order it changes. Zero-initialise *ret; free it in every case. MR_INVALID with what is wrong. */
MR_MUST_CHECK enum mr_status mr_cli_arguments_read(int argc, char **argv, struct mr_cli_arguments *ret,
                                                   struct mr_err *err);

/* Puts "resize.width=640" into an object of options: {"resize":{"width":640}}. A value that is no JSON is a text.
 * MR_INVALID if it has no "=", or the option is there already. */
MR_MUST_CHECK enum mr_status mr_cli_option_add(json_t *options, const char *text, struct mr_err *err);

#endif
