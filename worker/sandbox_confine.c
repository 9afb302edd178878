#include "worker/sandbox_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    STACK_BYTES = 2 << 20,
    THREADS_OF_JOB = 256, /* SVT-AV1 has 87 on two cores */
};
#define NICE_STEP 1.25 /* the weights of two priorities that follow each other, sched(7) */

/* Allowed with any arguments: they act only on what the child already has, its descriptors and its memory. */
static const int free_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom), /* the serial number of an Ogg stream */
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), /* libav counts the processors */
    SCMP_SYS(sysinfo),           /* qsort(3) of glibc 2.36, for more than 1024 bytes: GIF palettes */
    SCMP_SYS(restart_syscall),
    /* How a process ends: exit, and the parts of abort(3) besides tgkill. */
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
};

/* What glibc calls in a new thread, besides. */
static const int thread_calls[] = {
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
};

/* What a sanitizer needs for its maps, its shadow memory and its report. Files are opened only for reading
 * (answer_open). */
static const int sanitizer_calls[] = {
    SCMP_SYS(sigaltstack), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),  SCMP_SYS(readlink),
    SCMP_SYS(fstat),       SCMP_SYS(stat),      SCMP_SYS(newfstatat), SCMP_SYS(lseek),
    SCMP_SYS(arch_prctl),  SCMP_SYS(nanosleep), SCMP_SYS(dup),        SCMP_SYS(clock_nanosleep),
    SCMP_SYS(ioctl),       SCMP_SYS(fcntl),     SCMP_SYS(getppid),    SCMP_SYS(pread64),
    SCMP_SYS(getcwd),
};

/* All helpers here return false with errno set. */
static bool succeeded(int rc)
{
    errno = -rc;
    return rc == 0;
}

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!succeeded(seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0)))
            return false;
    return true;
}

/* Allows a call whose one argument fits. */
static bool allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp argument)
{
    return succeeded(seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, argument));
}

/*
 * Opening a file for reading fails with EACCES instead of killing: iconv(3), which libav's MPEG-TS demuxer
 * calls with character sets that the file names, looks for its modules and works without them. Any other way
 * to open kills.
 */
static bool answer_open(scmp_filter_ctx filter)
{
    const scmp_datum_t mask = O_ACCMODE | O_CREAT | O_TRUNC;
    const struct scmp_arg_cmp read_only = SCMP_A2_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY);
    if (!MR_SANITIZED)
        return succeeded(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 1, read_only));
    return allow_if(filter, SCMP_SYS(openat), read_only) &&
           allow_if(filter, SCMP_SYS(open), SCMP_A1_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));
}

static bool allow_maps(scmp_filter_ctx filter)
{
    /* Memory may never become code, and files may not be mapped. */
    const struct scmp_arg_cmp not_code = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp anonymous = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
    if (!allow_if(filter, SCMP_SYS(mprotect), not_code))
        return false;
    if (!MR_SANITIZED)
        return succeeded(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_code, anonymous));
    /* Files may be read, so iconv(3) finds its modules and loads them. */
    return allow_if(filter, SCMP_SYS(mmap), not_code) &&
           allow_if(filter, SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
}

/* abort(3) sends a signal to its own process; no other process may get one, and no other signal may be sent: a
 * SIGKILL would look as if the machine had killed the child. */
static bool allow_abort(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp self = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
    const struct scmp_arg_cmp abort_signal = SCMP_A2_64(SCMP_CMP_EQ, SIGABRT, 0);
    return succeeded(seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 2, self, abort_signal));
}

/* For the encoders that work in threads, even with one of each kind: SVT-AV1, x265. A thread and nothing else, as
 * pthread_create(3) makes it: its first choice, clone3, passes its flags in memory, where no filter sees them. SVT-AV1
 * would bind its threads to a processor and, as root, ask for real-time priority: it works without. */
static bool allow_threads(scmp_filter_ctx filter)
{
    const scmp_datum_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND |
                                CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    return allow_if(filter, SCMP_SYS(clone), SCMP_A0_64(SCMP_CMP_EQ, thread, 0)) &&
           succeeded(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0)) &&
           succeeded(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(geteuid), 0)) &&
           succeeded(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sched_setaffinity), 0)) &&
           allow(filter, thread_calls, sizeof thread_calls / sizeof *thread_calls);
}

static bool fill_filter(scmp_filter_ctx filter, bool threads)
{
    if (!succeeded(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS)))
        return false;
    if (!allow(filter, free_calls, sizeof free_calls / sizeof *free_calls))
        return false;
    if (MR_SANITIZED && !allow(filter, sanitizer_calls, sizeof sanitizer_calls / sizeof *sanitizer_calls))
        return false;
    if (threads && !allow_threads(filter))
        return false;
    return allow_maps(filter) && allow_abort(filter) && answer_open(filter);
}

static bool limit_calls(bool threads)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) {
        errno = ENOMEM;
        return false;
    }
    bool loaded = fill_filter(filter, threads) && succeeded(seccomp_load(filter));
    int errnum = errno;
    seccomp_release(filter);
    errno = errnum;
    return loaded;
}

/* Bytes of address space of the process (proc(5), statm); 0 if unknown. */
static rlim_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;
    if (!file || fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static bool limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
    const struct rlimit value = {soft, hard};
    return setrlimit(resource, &value) == 0;
}

static bool limit_memory(int64_t memory_mib)
{
    rlim_t now = address_space();
    rlim_t most = now + ((rlim_t)memory_mib << 20);
    if (!now) {
        errno = ENOENT;
        return false;
    }
    return limit(RLIMIT_AS, most, most);
}

/* Threads of all processes (proc(5), loadavg); 0 if unknown. */
static rlim_t present_threads(void)
{
    FILE *file = fopen("/proc/loadavg", "re");
    unsigned long threads = 0;
    if (!file || fscanf(file, "%*s %*s %*s %*u/%lu", &threads) != 1)
        threads = 0;
    if (file)
        fclose(file);
    return threads;
}

/* RLIMIT_NPROC counts all threads of a user (not of root), those of the parent and of other jobs, too. So a job may have
 * some beyond those that there are when it begins. */
static bool limit_threads(bool has_threads)
{
    struct rlimit before;
    if (getrlimit(RLIMIT_NPROC, &before) < 0)
        return false;
    rlim_t most = has_threads ? present_threads() + THREADS_OF_JOB : 0;
    if (most > before.rlim_max) /* which nobody but root may raise */
        most = before.rlim_max;
    return limit(RLIMIT_NPROC, most, most);
}

static bool limit_resources(int64_t memory_mib, int64_t cpu_seconds, bool has_threads)
{
    if (!limit_threads(has_threads) || (memory_mib > 0 && !limit_memory(memory_mib)))
        return false;
    /* SIGXCPU at the soft limit shows the reason; the hard limit is for a child that ignores it. */
    if (cpu_seconds > 0 && !limit(RLIMIT_CPU, (rlim_t)cpu_seconds, (rlim_t)cpu_seconds + 1))
        return false;
    signal(SIGXFSZ, SIG_IGN); /* a library that writes to a log that is a file gets EFBIG */
    return limit(RLIMIT_NOFILE, 16, 16) && limit(RLIMIT_FSIZE, 0, 0) && limit(RLIMIT_CORE, 0, 0);
}

/* All threads of a job together weigh as much as the one of another: those that use processors for which there was no
 * other job give them back as soon as there is one. */
static bool weigh_as_one(int64_t threads)
{
    const int nice_value = (int)lround(log((double)threads) / log(NICE_STEP));
    return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + nice_value) == 0;
}

/* Threads share one heap, and their stacks are small: address space is limited. */
static bool prepare_threads(int64_t threads)
{
    if (!weigh_as_one(threads))
        return false;
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc == 0)
        rc = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (rc == 0)
        rc = pthread_setattr_default_np(&attributes);
    return succeeded(-rc) && (MR_SANITIZED || mallopt(M_ARENA_MAX, 1) == 1); /* their heap is another */
}

bool mr_confine(int64_t memory_mib, int64_t cpu_seconds, int64_t threads)
{
    const bool has_threads = threads > 0;
    /* Not dumpable: other processes of the same user can read neither a core nor /proc/pid/mem. */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           (!has_threads || prepare_threads(threads)) &&
           limit_resources(memory_mib, cpu_seconds, has_threads) && limit_calls(has_threads);
}
