#include "client/output.h"

#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void mr_cli_output_free(struct mr_cli_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    if (output->temporary)
        unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    *output = MR_CLI_OUTPUT_INIT;
}

bool mr_cli_output_is_folder(const char *wanted)
{
    struct stat found;
    size_t len = strlen(wanted);
    return (len && wanted[len - 1] == '/') || (stat(wanted, &found) == 0 && S_ISDIR(found.st_mode));
}

/* Neither a path nor a name that a terminal would act on. */
static enum mr_status safe_name(const char *name, char **ret, struct mr_err *err)
{
    const char *slash = strrchr(name, '/');
    const char *last = slash ? slash + 1 : name;
    if (!last[0] || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
        return mr_fail(err, MR_INVALID, "the result has no name: give one with --output");
    *ret = strdup(last);
    if (!*ret)
        return mr_fail_oom(err);
    for (char *c = *ret; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '_';
    return MR_OK;
}

enum mr_status mr_cli_output_path(const char *wanted, const char *name, char **ret, struct mr_err *err)
{
    MR_AUTO_STR char *own = NULL;
    *ret = NULL;
    if (wanted && strcmp(wanted, "-") == 0)
        return MR_OK;
    if (wanted && !mr_cli_output_is_folder(wanted)) {
        *ret = strdup(wanted);
        return *ret ? MR_OK : mr_fail_oom(err);
    }
    MR_TRY(safe_name(name, &own, err));
    if (wanted)
        return mr_cli_join(wanted, own, ret, err);
    *ret = MR_TAKE(own);
    return MR_OK;
}

static enum mr_status exists(const char *path, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_OUTPUT_EXISTS, "%s exists: --force overwrites it", path);
}

enum mr_status mr_cli_output_check(const char *path, struct mr_err *err)
{
    struct stat found;
    if (path && lstat(path, &found) == 0)
        return exists(path, err);
    return MR_OK;
}

/* As a file that any program makes: mkostemp gives no rights to others. */
static void give_usual_mode(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    (void)!fchmod(fd, 0666 & ~mask);
}

enum mr_status mr_cli_output_open(const char *path, bool overwrites, struct mr_cli_output *ret,
                                  struct mr_err *err)
{
    if (!path) {
        ret->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
        return ret->fd >= 0 ? MR_OK : mr_cli_fail_file(err, "standard output", errno);
    }
    const char *slash = strrchr(path, '/');
    if (!overwrites)
        MR_TRY(mr_cli_output_check(path, err));
    ret->overwrites = overwrites;
    ret->path = strdup(path);
    if (!ret->path ||
        asprintf(&ret->temporary, "%.*s.mediarun.XXXXXX", slash ? (int)(slash - path + 1) : 0, path) < 0) {
        ret->temporary = NULL;
        return mr_fail_oom(err);
    }
    ret->fd = mkostemp(ret->temporary, O_CLOEXEC);
    if (ret->fd < 0) {
        free(ret->temporary);
        ret->temporary = NULL;
        return mr_cli_fail_file(err, path, errno);
    }
    give_usual_mode(ret->fd);
    return MR_OK;
}

/* Some file systems cannot rename without overwriting; there it is two steps. */
static enum mr_status rename_new(const struct mr_cli_output *output, struct mr_err *err)
{
    if (renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path, RENAME_NOREPLACE) == 0)
        return MR_OK;
    if (errno == EEXIST)
        return exists(output->path, err);
    if (errno != EINVAL && errno != ENOSYS)
        return mr_cli_fail_file(err, output->path, errno);
    MR_TRY(mr_cli_output_check(output->path, err));
    return rename(output->temporary, output->path) == 0 ? MR_OK : mr_cli_fail_file(err, output->path, errno);
}

enum mr_status mr_cli_output_finish(struct mr_cli_output *output, struct mr_err *err)
{
    if (!output->path)
        return MR_OK;
    if (fsync(output->fd) != 0)
        return mr_cli_fail_file(err, output->path, errno);
    if (!output->overwrites)
        MR_TRY(rename_new(output, err));
    else if (rename(output->temporary, output->path) != 0)
        return mr_cli_fail_file(err, output->path, errno);
    free(output->temporary);
    output->temporary = NULL;
    return MR_OK;
}
