#include "infra/local/emulator/storage/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

enum mr_status em_path_format(char **ret, struct mr_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *path = NULL;
    int len = vasprintf(&path, format, args);
    va_end(args);
    if (len < 0)
        return mr_fail_oom(err);
    *ret = path;
    return MR_OK;
}

enum mr_status em_dir_make(const char *path, struct mr_err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "create the directory %s", path);
    return MR_OK;
}

static void dir_cleanup(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

enum mr_status em_dir_each(const char *path, em_dir_visitor *visit, void *ctx, struct mr_err *err)
{
    __attribute__((cleanup(dir_cleanup))) DIR *dir = opendir(path);
    if (!dir)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read the directory %s", path);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            MR_TRY(visit(ctx, entry->d_name, err));
    return MR_OK;
}

static enum mr_status dump_to_fd(int fd, const json_t *document, const char *path, struct mr_err *err)
{
    if (json_dumpfd(document, fd, JSON_COMPACT) < 0 || fdatasync(fd) < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "write %s", path);
    return MR_OK;
}

enum mr_status em_json_write_beside(const char *path, const json_t *document, char **ret_temporary,
                                    struct mr_err *err)
{
    MR_AUTO_STR char *temporary = NULL;
    MR_TRY(em_path_format(&temporary, err, "%s.XXXXXX", path));
    MR_AUTO_FD int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "create %s", temporary);
    enum mr_status status = dump_to_fd(fd, document, path, err);
    if (status != MR_OK) {
        unlink(temporary);
        return status;
    }
    *ret_temporary = MR_TAKE(temporary);
    return MR_OK;
}

enum mr_status em_json_write_file(const char *path, const json_t *document, struct mr_err *err)
{
    MR_AUTO_STR char *temporary = NULL;
    MR_TRY(em_json_write_beside(path, document, &temporary, err));
    if (rename(temporary, path) == 0)
        return MR_OK;
    int reason = errno;
    unlink(temporary);
    return mr_fail_errno(err, MR_UNAVAILABLE, reason, "rename to %s", path);
}

enum mr_status em_json_read_file(const char *path, json_t **ret, struct mr_err *err)
{
    json_error_t reason;
    json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &reason);
    if (!document && access(path, F_OK) < 0 && errno == ENOENT)
        return mr_fail(err, MR_NOT_FOUND, "%s does not exist", path);
    if (!document)
        return mr_fail(err, MR_INVALID, "%s, line %d: %s", path, reason.line, reason.text);
    if (!json_is_object(document)) {
        json_decref(document);
        return mr_fail(err, MR_INVALID, "%s is not a JSON object", path);
    }
    *ret = document;
    return MR_OK;
}
