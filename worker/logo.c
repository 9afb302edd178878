#include "worker/logo.h"

#include <errno.h>
#include <fcntl.h>

enum { FILE_MAX = 4 << 20, PNG_HEAD = 24, SIDE_MAX = 8192 };

/* A PNG begins with its signature and the chunk IHDR: length 13, type, width, height (W3C PNG, 5.2 and 11.2). */
static bool is_png(const unsigned char *data, size_t len)
{
    static const char head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    if (len < PNG_HEAD || memcmp(data, head, sizeof head - 1) != 0)
        return false;
    uint32_t sides[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *p = data + sizeof head - 1 + 4 * i;
        sides[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    return sides[0] > 0 && sides[0] <= SIDE_MAX && sides[1] > 0 && sides[1] <= SIDE_MAX;
}

static enum mr_status read_file(const char *path, struct mr_buf *buf, struct mr_err *err)
{
    MR_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_fail_errno(err, MR_INVALID, errno, "LOGO_FILE cannot be opened: %s", path);
    char part[16384];
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mr_fail_errno(err, MR_INVALID, errno, "LOGO_FILE cannot be read: %s", path);
        if (n == 0)
            return MR_OK;
        if (mr_buf_append(buf, part, (size_t)n, err) != MR_OK)
            return mr_fail(err, MR_INVALID, "LOGO_FILE must have at most %d bytes: %s", FILE_MAX, path);
    }
}

enum mr_status mr_logo_load(const char *path, struct mr_logo *ret, struct mr_err *err)
{
    *ret = (struct mr_logo){.data = mr_logo_png, .len = mr_logo_png_len, .file = MR_BUF_INIT(FILE_MAX)};
    if (!path[0])
        return MR_OK;
    MR_TRY(read_file(path, &ret->file, err));
    ret->data = ret->file.data;
    ret->len = ret->file.len;
    if (!is_png(ret->data, ret->len))
        return mr_fail(err, MR_INVALID, "LOGO_FILE must be a PNG of at most %d×%d pixels: %s", SIDE_MAX,
                       SIDE_MAX, path);
    return MR_OK;
}

void mr_logo_free(struct mr_logo *logo)
{
    mr_buf_free(&logo->file);
}

size_t mr_logo_copy(const struct mr_logo *logo, int64_t offset, void *buf, size_t len)
{
    if (offset < 0 || (uint64_t)offset >= logo->len)
        return 0;
    size_t left = logo->len - (size_t)offset, n = len < left ? len : left;
    memcpy(buf, (const char *)logo->data + offset, n);
    return n;
}
