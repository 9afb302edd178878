#include "client/input.h"

#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { COPY_BYTES = 256 << 10 };

void mr_cli_input_free(struct mr_cli_input *input)
{
    if (input->fd >= 0)
        close(input->fd);
    free(input->name);
    free(input->path);
    *input = MR_CLI_INPUT_INIT;
}

static int64_t modified_ns(const struct stat *found)
{
    return found->st_mtim.tv_sec * INT64_C(1000000000) + found->st_mtim.tv_nsec;
}

static enum mr_status note_facts(struct mr_cli_input *input, struct mr_err *err)
{
    struct stat found;
    if (fstat(input->fd, &found) != 0)
        return mr_cli_fail_file(err, input->name, errno);
    input->size = found.st_size;
    input->modified_ns = modified_ns(&found);
    input->device = (int64_t)found.st_dev;
    input->inode = (int64_t)found.st_ino;
    return input->size ? MR_OK : mr_fail_code(err, MR_CODE_EMPTY_FILE, "file is empty");
}

enum mr_status mr_cli_input_check(const struct mr_cli_input *input, struct mr_err *err)
{
    struct stat found;
    if (fstat(input->fd, &found) != 0)
        return mr_cli_fail_file(err, input->name, errno);
    if (found.st_size != input->size || modified_ns(&found) != input->modified_ns)
        return mr_fail_code(err, MR_CODE_FILE_CHANGED, "file has changed while it was sent");
    return MR_OK;
}

/* A file without a name, which goes when it is closed. */
static enum mr_status open_temporary(struct mr_cli *cli, int *ret_fd, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(mr_cli_join(cli->settings->temporary, "mediarun.XXXXXX", &path, err));
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return mr_cli_fail_file(err, path, errno);
    unlink(path);
    *ret_fd = fd;
    return MR_OK;
}

static enum mr_status copy(struct mr_cli *cli, int from, int to, struct mr_err *err)
{
    MR_AUTO_STR char *bytes = malloc(COPY_BYTES);
    ssize_t got = 1;
    if (!bytes)
        return mr_fail_oom(err);
    while (got) {
        MR_TRY(mr_cli_wait_readable(cli, from, err));
        got = read(from, bytes, COPY_BYTES);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return mr_cli_fail_file(err, "input", errno);
        if (got > 0)
            MR_TRY(mr_cli_write_all(to, cli->settings->temporary, bytes, (size_t)got, err));
    }
    return MR_OK;
}

static enum mr_status take_stream(struct mr_cli *cli, int from, struct mr_cli_input *ret, struct mr_err *err)
{
    MR_TRY(open_temporary(cli, &ret->fd, err));
    MR_TRY(copy(cli, from, ret->fd, err));
    return note_facts(ret, err);
}

/* A pipe may have no writer yet: signals end the program meanwhile. */
static int open_patiently(struct mr_cli *cli, const char *path)
{
    pthread_sigmask(SIG_UNBLOCK, &cli->signals, NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failure = errno;
    pthread_sigmask(SIG_BLOCK, &cli->signals, NULL);
    errno = failure;
    return fd;
}

static enum mr_status take_file(struct mr_cli *cli, const char *path, struct mr_cli_input *ret,
                                struct mr_err *err)
{
    struct stat found;
    MR_AUTO_FD int fd = open_patiently(cli, path);
    if (fd < 0 || fstat(fd, &found) != 0)
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s", strerror(errno));
    if (S_ISDIR(found.st_mode))
        return mr_fail_code(err, MR_CODE_LOCAL_FILE, "%s", strerror(EISDIR));
    if (!S_ISREG(found.st_mode))
        return take_stream(cli, fd, ret, err);
    ret->fd = fd;
    fd = -1;
    ret->path = realpath(path, NULL);
    return note_facts(ret, err);
}

static enum mr_status take_name(const char *word, const char *name, char **ret, struct mr_err *err)
{
    const char *slash = strrchr(word, '/');
    const char *last = strcmp(word, "-") == 0 ? "stdin" : slash ? slash + 1 : word;
    *ret = strdup(name ? name : last);
    return *ret ? MR_OK : mr_fail_oom(err);
}

enum mr_status mr_cli_input_open(struct mr_cli *cli, const char *word, const char *name,
                                 struct mr_cli_input *ret, struct mr_err *err)
{
    MR_TRY(take_name(word, name, &ret->name, err));
    if (strcmp(word, "-") == 0)
        return take_stream(cli, STDIN_FILENO, ret, err);
    return take_file(cli, word, ret, err);
}
