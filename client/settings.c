#include "client/settings.h"

#include "shared/http/client_url.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_SERVER "http://localhost:8080"

void mr_cli_settings_free(struct mr_cli_settings *settings)
{
    free(settings->server);
    free(settings->config_directory);
    free(settings->state_directory);
    *settings = (struct mr_cli_settings){0};
}

/* NULL for one that is empty, too. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

enum mr_status mr_cli_server_of(const char *text, char **ret, struct mr_err *err)
{
    struct mr_url url;
    size_t len = strlen(text);
    MR_TRY(mr_url_parse(text, &url, err));
    if (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        return mr_fail(err, MR_INVALID, "must begin with http:// or https://");
    if (url.has_credentials || strpbrk(text, "?#"))
        return mr_fail(err, MR_INVALID,
                       "must be scheme://host[:port], without a name, a query or a fragment");
    while (len && text[len - 1] == '/')
        len--;
    *ret = strndup(text, len);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* $XDG_…/mediarun, or $HOME/fallback/mediarun. Relative paths are ignored, as the specification says. */
static enum mr_status directory(const char *name, const char *fallback, char **ret, struct mr_err *err)
{
    const char *given = variable(name), *home = variable("HOME");
    int made = given && given[0] == '/' ? asprintf(ret, "%s/mediarun", given)
               : home                   ? asprintf(ret, "%s/%s/mediarun", home, fallback)
                                        : 0;
    if (made < 0) {
        *ret = NULL;
        return mr_fail_oom(err);
    }
    return *ret ? MR_OK : mr_fail(err, MR_INVALID, "HOME must be set, or %s", name);
}

enum mr_status mr_cli_settings_read(struct mr_cli_settings *ret, struct mr_err *err)
{
    const char *server = variable("MEDIARUN_URL"), *temporary = variable("TMPDIR");
    const char *terminal = variable("TERM");
    enum mr_status status = mr_cli_server_of(server ? server : DEFAULT_SERVER, &ret->server, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "MEDIARUN_URL");
    ret->key = variable("MEDIARUN_API_KEY");
    ret->ca_file = variable("MEDIARUN_CA_FILE");
    ret->temporary = temporary ? temporary : "/tmp";
    ret->is_dumb = !terminal || strcmp(terminal, "dumb") == 0;
    if (ret->key && ret->key[strcspn(ret->key, "\r\n")])
        return mr_fail(err, MR_INVALID, "MEDIARUN_API_KEY must be one line");
    MR_TRY(directory("XDG_CONFIG_HOME", ".config", &ret->config_directory, err));
    return directory("XDG_STATE_HOME", ".local/state", &ret->state_directory, err);
}
