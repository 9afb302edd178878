/* The protocol of a resumable session: https://cloud.google.com/storage/docs/performing-resumable-uploads */
#ifndef MR_CLIENT_UPLOAD_SEND_H
#define MR_CLIENT_UPLOAD_SEND_H

#include "client/upload_state.h"

/*
 * Asks the session how much it has (unless is_new), and sends the rest in chunks. After a failure that may pass it asks
 * again, and goes on. Success: all is stored, with the checksum of what was read. MR_NOT_FOUND with code "session_lost": the
 * session has ended.
 */
MR_MUST_CHECK enum mr_status mr_cli_upload_send(struct mr_cli *cli, const struct mr_cli_session *session,
                                                const struct mr_cli_input *input, bool is_new,
                                                struct mr_err *err);

/* How many bytes a 308 has stored, by its header Range; 0 if it has none. False if it is none of these. */
bool mr_cli_stored_of(const char *range, int64_t size, int64_t *ret);

#endif
