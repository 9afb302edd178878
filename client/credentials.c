#include "client/credentials.h"

#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

static enum mr_status path_of(const struct mr_cli_settings *settings, char **ret, struct mr_err *err)
{
    return mr_cli_join(settings->config_directory, "credentials", ret, err);
}

static enum mr_status check_mode(int fd, const char *path, struct mr_err *err)
{
    struct stat found;
    if (fstat(fd, &found) != 0)
        return mr_cli_fail_file(err, path, errno);
    if (found.st_mode & (S_IRWXG | S_IRWXO))
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s must be readable by its owner alone: chmod 600",
                            path);
    return MR_OK;
}

/* *ret is an object, empty if there is no file. */
static enum mr_status load(const char *path, json_t **ret, struct mr_err *err)
{
    MR_AUTO_STR char *text = NULL;
    size_t len = 0;
    MR_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return mr_cli_fail_file(err, path, errno);
    if (fd >= 0) {
        MR_TRY(check_mode(fd, path, err));
        MR_TRY(mr_cli_read_all(fd, path, FILE_MAX, &text, &len, err));
    }
    json_t *document = text ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : json_object();
    if (!json_is_object(document)) {
        json_decref(document);
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s must be a JSON object: remove it, and log in again",
                            path);
    }
    *ret = document;
    return MR_OK;
}

enum mr_status mr_cli_credentials_find(const struct mr_cli_settings *settings, json_t **ret,
                                       struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *document = NULL;
    MR_TRY(path_of(settings, &path, err));
    MR_TRY(load(path, &document, err));
    *ret = json_incref(json_object_get(document, settings->server));
    return MR_OK;
}

enum mr_status mr_cli_credentials_set(const struct mr_cli_settings *settings, json_t *entry,
                                      struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_AUTO_JSON json_t *document = NULL;
    MR_TRY(mr_cli_make_directory(settings->config_directory, err));
    MR_TRY(path_of(settings, &path, err));
    MR_TRY(load(path, &document, err));
    if (!entry)
        (void)json_object_del(document, settings->server);
    else if (json_object_set(document, settings->server, entry) != 0)
        return mr_fail_oom(err);
    return mr_cli_write_private(path, document, err);
}
