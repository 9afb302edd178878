/*
 * Small files in DATA_DIR: paths, directories, and JSON documents that are replaced atomically.
 *
 * A JSON document is written to a temporary file in the same directory, synced and renamed. So a reader, or the
 * next start after a crash, sees the old document or the new one, never a part of one.
 */
#ifndef EM_STORAGE_FILE_H
#define EM_STORAGE_FILE_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"

/* A malloc'ed path from a printf format. */
MR_MUST_CHECK enum mr_status em_path_format(char **ret, struct mr_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Creates the directory, mode 0700; its parent must exist. MR_OK if it exists already. */
MR_MUST_CHECK enum mr_status em_dir_make(const char *path, struct mr_err *err);

/* Calls visit for each entry of the directory except "." and ".."; stops at visit's first failure. */
typedef enum mr_status em_dir_visitor(void *ctx, const char *name, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_dir_each(const char *path, em_dir_visitor *visit, void *ctx,
                                         struct mr_err *err);

/* Writes and syncs `document` to a temporary file next to `path`, mode 0600, for a caller that renames it under a
 * lock. *ret_temporary is its malloc'ed name. */
MR_MUST_CHECK enum mr_status em_json_write_beside(const char *path, const json_t *document,
                                                  char **ret_temporary, struct mr_err *err);
/* The same, and renames it to `path`. */
MR_MUST_CHECK enum mr_status em_json_write_file(const char *path, const json_t *document, struct mr_err *err);
/* The caller owns *ret. MR_NOT_FOUND without the file, MR_INVALID if it does not hold a JSON object. */
MR_MUST_CHECK enum mr_status em_json_read_file(const char *path, json_t **ret, struct mr_err *err);

#endif
