/* Sends a file to storage, through a session that POST /api/uploads opens. */
#ifndef MR_CLIENT_UPLOAD_H
#define MR_CLIENT_UPLOAD_H

#include "client/upload_state.h"

/*
 * Sends what is not stored yet. On success state->session is whole, and its upload_id can become a task. An upload of what
 * the file was before is not continued, nor one that the server no longer knows: a new one begins. MR_CONFLICT with code
 * "file_changed" if the file changes meanwhile; nothing is left of the upload then.
 */
MR_MUST_CHECK enum mr_status mr_cli_upload(struct mr_cli *cli, const char *label,
                                           const struct mr_cli_input *input,
                                           struct mr_cli_upload_state *state, struct mr_err *err);

#endif
