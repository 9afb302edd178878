/* A result on its way into a file: it is written under a temporary name beside its place, and renamed when it is whole, so
 * that no file is ever half a result. Failures have the code "local_file" or "output_exists". */
#ifndef MR_CLIENT_OUTPUT_H
#define MR_CLIENT_OUTPUT_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_cli_output {
    char *path;      /* NULL: standard output */
    char *temporary; /* NULL once it is renamed */
    int fd;
    bool overwrites;
};
#define MR_CLI_OUTPUT_INIT                                                                                   \
    (struct mr_cli_output)                                                                                   \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
/* Removes what is not finished. */
void mr_cli_output_free(struct mr_cli_output *output);
MR_DEFINE_VALUE_CLEANUP(mr_cli_output, mr_cli_output_free)

/*
 * Where a result goes: *ret, malloc'ed, is wanted, or name in the folder wanted; NULL for "-". wanted NULL: name in the
 * current folder. The name comes from the server: of a path only the last part is used. MR_INVALID if nothing is left.
 */
MR_MUST_CHECK enum mr_status mr_cli_output_path(const char *wanted, const char *name, char **ret,
                                                struct mr_err *err);

/* True if wanted is a folder, or is written like one. */
bool mr_cli_output_is_folder(const char *wanted);

/* MR_CONFLICT if there is something at the path; NULL: there is not. */
MR_MUST_CHECK enum mr_status mr_cli_output_check(const char *path, struct mr_err *err);

/* path NULL: standard output. */
MR_MUST_CHECK enum mr_status mr_cli_output_open(const char *path, bool overwrites, struct mr_cli_output *ret,
                                                struct mr_err *err);
/* Gives it its name; it is on the disk then. */
MR_MUST_CHECK enum mr_status mr_cli_output_finish(struct mr_cli_output *output, struct mr_err *err);

#endif
