/*
 * What is known of an upload that is under way, so that it goes on after the program was killed: a small file in
 * $XDG_STATE_HOME/mediarun for each file that is sent to a server. It is locked while a program sends that file; another
 * one then sends it for itself and keeps nothing. The session's URL in it is a secret: whoever has it can write the file.
 */
#ifndef MR_CLIENT_UPLOAD_STATE_H
#define MR_CLIENT_UPLOAD_STATE_H

#include "client/input.h"
#include "client/settings.h"
#include "shared/base/json.h"
#include "shared/base/random.h"

enum { MR_CLI_URL_MAX = 8192 };

struct mr_cli_session {
    char upload_id[MR_UUID_TEXT_MAX];
    char url[MR_CLI_URL_MAX];
    int64_t chunk_multiple;
    bool is_sent; /* all bytes are stored */
};

struct mr_cli_upload_state {
    int fd; /* locked; -1: nothing is kept */
    char *path;
    bool is_changed;               /* there was an upload of what the file was before */
    bool has_session;              /* session is one of this file */
    struct mr_cli_session session; /* also the one of the file before, if is_changed */
};
#define MR_CLI_UPLOAD_STATE_INIT                                                                             \
    (struct mr_cli_upload_state)                                                                             \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
/* Ends the lock. The file stays if there is something in it. */
void mr_cli_upload_state_free(struct mr_cli_upload_state *state);
MR_DEFINE_VALUE_CLEANUP(mr_cli_upload_state, mr_cli_upload_state_free)

/* Finds what is known of this file. Files of uploads that began a week ago are removed. Where nothing can be kept, the state
 * is empty. */
MR_MUST_CHECK enum mr_status mr_cli_upload_state_open(const struct mr_cli_settings *settings,
                                                      const struct mr_cli_input *input,
                                                      struct mr_cli_upload_state *ret, struct mr_err *err);

/* Keeps the session for this file: has_session is true then. */
MR_MUST_CHECK enum mr_status mr_cli_upload_state_save(struct mr_cli_upload_state *state,
                                                      const struct mr_cli_settings *settings,
                                                      const struct mr_cli_input *input, struct mr_err *err);

/* Forgets it; the state is empty, and keeps what is saved next. */
void mr_cli_upload_state_clear(struct mr_cli_upload_state *state);
/* Nothing is left of it. */
void mr_cli_upload_state_remove(struct mr_cli_upload_state *state);

#endif
