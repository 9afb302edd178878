/* What a task is made from: a file, which is sent first, or a URL, which the server fetches. */
#ifndef MR_CLIENT_SOURCE_H
#define MR_CLIENT_SOURCE_H

#include "client/upload_state.h"

struct mr_cli_source {
    const char *word; /* as the user wrote it */
    struct mr_cli_input input;
    struct mr_cli_upload_state state;
    bool is_resumed; /* the upload began in an earlier run */
};
void mr_cli_source_free(struct mr_cli_source *source);
MR_DEFINE_VALUE_CLEANUP(mr_cli_source, mr_cli_source_free)

/* A source that has not been opened. */
struct mr_cli_source mr_cli_source_of(const char *word);

bool mr_cli_source_is_url(const struct mr_cli_source *source);

/*
 * Makes a document by path from body, an object, and the source, which is sent if it is a file. The key, if wanted, is the
 * same for the same request from the same upload, so that a repetition in a later run makes no second task. A file whose
 * upload was used up meanwhile is sent again. *ret is the answer; the caller owns it.
 */
MR_MUST_CHECK enum mr_status mr_cli_source_post(struct mr_cli *cli, struct mr_cli_source *source,
                                                const char *path, const json_t *body, bool has_key,
                                                json_t **ret, struct mr_err *err);

/* The upload has served its purpose: the state is removed. */
void mr_cli_source_done(struct mr_cli_source *source);

#endif
