#include "client/files.h"

#include "shared/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { READ_BYTES = 64 << 10 };

enum mr_status mr_cli_fail_file(struct mr_err *err, const char *path, int errnum)
{
    return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s: %s", path, strerror(errnum));
}

enum mr_status mr_cli_join(const char *directory, const char *name, char **ret, struct mr_err *err)
{
    size_t len = strlen(directory);
    if (asprintf(ret, "%s%s%s", directory, len && directory[len - 1] == '/' ? "" : "/", name) < 0) {
        *ret = NULL;
        return mr_fail_oom(err);
    }
    return MR_OK;
}

enum mr_status mr_cli_make_directory(const char *path, struct mr_err *err)
{
    MR_AUTO_STR char *copy = strdup(path);
    if (!copy)
        return mr_fail_oom(err);
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            return mr_cli_fail_file(err, copy, errno);
        *slash = '/';
    }
    return mkdir(copy, 0700) == 0 || errno == EEXIST ? MR_OK : mr_cli_fail_file(err, copy, errno);
}

enum mr_status mr_cli_read_all(int fd, const char *path, size_t max, char **ret, size_t *ret_len,
                               struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf content = MR_BUF_INIT(max);
    char bytes[READ_BYTES];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno != EINTR)
            return mr_cli_fail_file(err, path, errno);
        if (got > 0 && mr_buf_append(&content, bytes, (size_t)got, err) != MR_OK)
            return mr_cli_fail_file(err, path, EFBIG);
    }
    *ret_len = content.len;
    *ret = content.data ? mr_buf_take(&content) : strdup("");
    return *ret ? MR_OK : mr_fail_oom(err);
}

enum mr_status mr_cli_write_all(int fd, const char *path, const void *data, size_t len, struct mr_err *err)
{
    const char *bytes = data;
    while (len) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno != EINTR)
            return mr_cli_fail_file(err, path, errno);
        bytes += written > 0 ? written : 0;
        len -= written > 0 ? (size_t)written : 0;
    }
    return MR_OK;
}

static enum mr_status write_and_sync(int fd, const char *path, const char *text, struct mr_err *err)
{
    MR_TRY(mr_cli_write_all(fd, path, text, strlen(text), err));
    return fsync(fd) == 0 ? MR_OK : mr_cli_fail_file(err, path, errno);
}

enum mr_status mr_cli_write_private(const char *path, const json_t *document, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(document, JSON_INDENT(2));
    MR_AUTO_STR char *temporary = NULL;
    if (!text || asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return mr_fail_oom(err);
    MR_AUTO_FD int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return mr_cli_fail_file(err, path, errno);
    enum mr_status status = write_and_sync(fd, path, text, err);
    if (status == MR_OK && rename(temporary, path) != 0)
        status = mr_cli_fail_file(err, path, errno);
    if (status != MR_OK)
        unlink(temporary);
    return status;
}
