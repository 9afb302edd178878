/*
 * Cleanup attributes: a local declared with MR_AUTO(type) or MR_AUTO_STR is freed when its scope ends.
 * Each type defines its own next to its free function, with MR_DEFINE_CLEANUP. Free functions accept NULL.
 * MR_TAKE(p) hands ownership over visibly: it yields p and leaves NULL behind.
 */
#ifndef MR_BASE_CLEANUP_H
#define MR_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* For `struct name *p` freed by free_fn(p): use as `MR_AUTO(name) struct name *p = NULL;`. */
#define MR_DEFINE_CLEANUP(name, free_fn)                                                                     \
    static inline void name##_cleanup(struct name **p)                                                       \
    {                                                                                                        \
        free_fn(*p);                                                                                         \
    }
/* For a struct held by value, released by free_fn(&value): use as `MR_AUTO(name) struct name v = {0};`. */
#define MR_DEFINE_VALUE_CLEANUP(name, free_fn)                                                               \
    static inline void name##_cleanup(struct name *v)                                                        \
    {                                                                                                        \
        free_fn(v);                                                                                          \
    }
#define MR_AUTO(name) __attribute__((cleanup(name##_cleanup)))

static inline void mr_str_cleanup(char **p)
{
    free(*p);
}
/* MR_AUTO_STR char *s = NULL; for any malloc'ed string. */
#define MR_AUTO_STR __attribute__((cleanup(mr_str_cleanup)))

static inline void mr_fd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
/* MR_AUTO_FD int fd = -1; */
#define MR_AUTO_FD __attribute__((cleanup(mr_fd_cleanup)))

#define MR_TAKE(p)                                                                                           \
    __extension__({                                                                                          \
        __typeof__(p) taken_ = (p);                                                                          \
        (p) = NULL;                                                                                          \
        taken_;                                                                                              \
    })

#endif
