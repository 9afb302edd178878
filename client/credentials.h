/* The keys that `mediarun login` made, one for each server: $XDG_CONFIG_HOME/mediarun/credentials, readable by the user
 * alone. */
#ifndef MR_CLIENT_CREDENTIALS_H
#define MR_CLIENT_CREDENTIALS_H

#include "client/settings.h"
#include "shared/base/json.h"

/* *ret is the server's entry {"key", "id"}, NULL if there is none; the caller owns it. MR_INVALID with code "local_file" if
 * the file cannot be read, is broken, or others may read it. */
MR_MUST_CHECK enum mr_status mr_cli_credentials_find(const struct mr_cli_settings *settings, json_t **ret,
                                                     struct mr_err *err);

/* Replaces the server's entry; entry NULL: removes it. */
MR_MUST_CHECK enum mr_status mr_cli_credentials_set(const struct mr_cli_settings *settings, json_t *entry,
                                                    struct mr_err *err);

#endif
