/* A file that is to be sent: opened once, with the facts by which a change of it is noticed. */
#ifndef MR_CLIENT_INPUT_H
#define MR_CLIENT_INPUT_H

#include "client/cli.h"

struct mr_cli_input {
    char *name; /* for the server: the last part of the path, or --name */
    char *path; /* absolute, links resolved; NULL: it has none that stays (standard input, a pipe) */
    int fd;
    int64_t size, modified_ns;
    int64_t device, inode;
};
void mr_cli_input_free(struct mr_cli_input *input);
MR_DEFINE_VALUE_CLEANUP(mr_cli_input, mr_cli_input_free)

/* An input that is not open yet. */
#define MR_CLI_INPUT_INIT                                                                                    \
    (struct mr_cli_input)                                                                                    \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }

/*
 * Opens a file; "-" is standard input. What is no regular file is first copied to a temporary file without a name, because
 * the server must know its size. name NULL: that of the file. MR_INVALID with code "local_file" or "empty_file".
 */
MR_MUST_CHECK enum mr_status mr_cli_input_open(struct mr_cli *cli, const char *word, const char *name,
                                               struct mr_cli_input *ret, struct mr_err *err);

/* MR_CONFLICT with code "file_changed" if it is no longer what was opened. */
MR_MUST_CHECK enum mr_status mr_cli_input_check(const struct mr_cli_input *input, struct mr_err *err);

#endif
