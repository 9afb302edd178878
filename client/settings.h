/*
 * The environment: MEDIARUN_URL, MEDIARUN_API_KEY, MEDIARUN_CA_FILE, and where files are kept (XDG Base Directory
 * Specification). Read once, in main.
 */
#ifndef MR_CLIENT_SETTINGS_H
#define MR_CLIENT_SETTINGS_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_cli_settings {
    char *server;           /* without a slash at its end */
    const char *key;        /* MEDIARUN_API_KEY; NULL: not set */
    const char *ca_file;    /* MEDIARUN_CA_FILE; NULL: the system's authorities */
    char *config_directory; /* of credentials; may not exist */
    char *state_directory;  /* of uploads that are under way; may not exist */
    const char *temporary;  /* where input that is no file is kept while it is sent */
    bool is_dumb;           /* the terminal cannot move its cursor */
};
void mr_cli_settings_free(struct mr_cli_settings *settings);
MR_DEFINE_VALUE_CLEANUP(mr_cli_settings, mr_cli_settings_free)

/* Zero-initialise *ret; free it in every case. MR_INVALID if a variable is wrong. */
MR_MUST_CHECK enum mr_status mr_cli_settings_read(struct mr_cli_settings *ret, struct mr_err *err);

/* *ret, malloc'ed: the server's address as the credentials spell it. MR_INVALID unless it is http(s)://host[:port][/path]. */
MR_MUST_CHECK enum mr_status mr_cli_server_of(const char *text, char **ret, struct mr_err *err);

#endif
