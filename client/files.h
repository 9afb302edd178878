/* Files of mediarun's own: private, and never half written. Failures have the code "local_file". */
#ifndef MR_CLIENT_FILES_H
#define MR_CLIENT_FILES_H

#include "shared/base/json.h"

/* Fills err with "path: what the system says". Returns MR_INVALID with code "local_file". */
enum mr_status mr_cli_fail_file(struct mr_err *err, const char *path, int errnum);

/* directory/name, malloc'ed. */
MR_MUST_CHECK enum mr_status mr_cli_join(const char *directory, const char *name, char **ret,
                                         struct mr_err *err);

/* Makes a directory and those above it, readable by the user alone. */
MR_MUST_CHECK enum mr_status mr_cli_make_directory(const char *path, struct mr_err *err);

/* The whole content of a descriptor, which must be at most max bytes. *ret is malloc'ed and NUL-terminated. */
MR_MUST_CHECK enum mr_status mr_cli_read_all(int fd, const char *path, size_t max, char **ret,
                                             size_t *ret_len, struct mr_err *err);

/* Replaces a file by this document, mode 0600, so that a crash leaves the old or the new one. */
MR_MUST_CHECK enum mr_status mr_cli_write_private(const char *path, const json_t *document,
                                                  struct mr_err *err);

/* Writes all of it. */
MR_MUST_CHECK enum mr_status mr_cli_write_all(int fd, const char *path, const void *data, size_t len,
                                              struct mr_err *err);

#endif
