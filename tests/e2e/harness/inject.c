/*
 * Failures injected into a program (LD_PRELOAD; inject.py). All threads of the process count, also those that serve no
 * request. The file INJECT_FILE, mapped by all processes that inherit it, holds what to do:
 *
 *   allocations  the allocation that fails, counted down to 0; 0: none
 *   failed       allocations that have failed
 *   calls        1: reads and writes are short, and every third one is interrupted (EINTR); not those of civetweb, which
 *                drops a connection then: its threads have all signals blocked
 *   disk         1: writes of the log fail with ENOSPC
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *data, size_t size);

struct control {
    _Atomic int64_t allocations;
    _Atomic int64_t failed;
    _Atomic int64_t calls;
    _Atomic int64_t disk;
};
static struct control nothing;
static struct control *control = &nothing;
static _Atomic unsigned turn;

__attribute__((constructor)) static void map_control(void)
{
    const char *name = getenv("INJECT_FILE");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        control = map;
    if (fd >= 0)
        close(fd);
}

static int is_to_fail(void)
{
    if (atomic_load_explicit(&control->allocations, memory_order_relaxed) <= 0)
        return 0;
    if (atomic_fetch_sub(&control->allocations, 1) != 1)
        return 0;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return is_to_fail() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return is_to_fail() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *data, size_t size)
{
    return is_to_fail() ? NULL : __libc_realloc(data, size);
}

/* The number of bytes that a call may move; 0: it is interrupted. */
static size_t allowed(size_t wanted)
{
    if (!atomic_load_explicit(&control->calls, memory_order_relaxed) || wanted == 0)
        return wanted;
    unsigned now = atomic_fetch_add(&turn, 1);
    if (now % 3 == 0)
        return 0;
    size_t most = now % 5 == 0 ? 1 : 1 + now * 2654435761u % 4096;
    return wanted < most ? wanted : most;
}

#define REAL(function)                                                                                       \
    static __typeof__(function) *real;                                                                       \
    if (!real)                                                                                               \
    real = (__typeof__(function) *)dlsym(RTLD_NEXT, #function)

static int is_of_civetweb(const void *caller)
{
    Dl_info info;
    return dladdr(caller, &info) && info.dli_fname && strstr(info.dli_fname, "libcivetweb");
}

#define INJECT(wanted)                                                                                       \
    size_t most = allowed(wanted);                                                                           \
    if ((wanted) && !most && is_of_civetweb(__builtin_return_address(0)))                                    \
        most = 1;                                                                                            \
    if ((wanted) && !most) {                                                                                 \
        errno = EINTR;                                                                                       \
        return -1;                                                                                           \
    }

static int is_disk_full(int fd)
{
    if (!atomic_load_explicit(&control->disk, memory_order_relaxed) ||
        (fd != STDOUT_FILENO && fd != STDERR_FILENO))
        return 0;
    errno = ENOSPC;
    return 1;
}

ssize_t read(int fd, void *data, size_t len)
{
    REAL(read);
    INJECT(len);
    return real(fd, data, most);
}

ssize_t recv(int fd, void *data, size_t len, int flags)
{
    REAL(recv);
    INJECT(len);
    return real(fd, data, most, flags);
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
    REAL(send);
    INJECT(len);
    return real(fd, data, most, flags);
}

ssize_t write(int fd, const void *data, size_t len)
{
    REAL(write);
    if (is_disk_full(fd))
        return -1;
    INJECT(len);
    return real(fd, data, most);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(writev);
    if (is_disk_full(fd))
        return -1;
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    INJECT(len);
    if (most == len)
        return real(fd, parts, count);
    while (count > 1 && parts->iov_len == 0)
        parts++, count--;
    return write(fd, parts->iov_base, parts->iov_len < most ? parts->iov_len : most);
}
