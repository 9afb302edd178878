#include "worker/sandbox_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Allowed with any arguments. They touch only what the child holds already: its descriptors, its memory. */
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

/* A sanitizer's own needs: its maps, its shadow, its report. Files only for reading (answer_open). */
static const int sanitizer_calls[] = {
    SCMP_SYS(sigaltstack), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit),  SCMP_SYS(readlink),
    SCMP_SYS(fstat),       SCMP_SYS(stat),      SCMP_SYS(newfstatat), SCMP_SYS(lseek),
    SCMP_SYS(arch_prctl),  SCMP_SYS(nanosleep), SCMP_SYS(dup),        SCMP_SYS(clock_nanosleep),
    SCMP_SYS(ioctl),       SCMP_SYS(fcntl),     SCMP_SYS(getppid),    SCMP_SYS(pread64),
    SCMP_SYS(getcwd),
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (rc)
            return rc;
    }
    return 0;
}

/*
 * Opening a file for reading is refused rather than punished: iconv(3), which libav's MPEG-TS demuxer calls
 * with character sets that the file names, looks for its modules and lives without them. Any other way to
 * open kills.
 */
static int answer_open(scmp_filter_ctx filter)
{
    const uint32_t answer = MR_SANITIZED ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES);
    const scmp_datum_t mask = O_ACCMODE | O_CREAT | O_TRUNC;
    int rc =
        seccomp_rule_add(filter, answer, SCMP_SYS(openat), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));
    if (!rc && MR_SANITIZED)
        rc = seccomp_rule_add(filter, answer, SCMP_SYS(open), 1,
                              SCMP_A1_64(SCMP_CMP_MASKED_EQ, mask, O_RDONLY));
    return rc;
}

/* Allowed for some arguments only. */
static int allow_some(scmp_filter_ctx filter)
{
    /* Memory may never become code, and a file may not be mapped. */
    const struct scmp_arg_cmp not_code = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp anonymous = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
    /* abort(3) signals its own process, and nobody else's. */
    const struct scmp_arg_cmp own_process = SCMP_A0_64(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0);
    int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_code);
    if (!rc)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, own_process);
    if (!rc && MR_SANITIZED) /* files may be read, so iconv(3) finds its modules and loads them */
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_code);
    if (!rc && MR_SANITIZED)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0));
    if (!rc && !MR_SANITIZED)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_code, anonymous);
    return rc ? rc : answer_open(filter);
}

static bool limit_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter) {
        errno = ENOMEM;
        return false;
    }
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!rc)
        rc = allow(filter, free_calls, sizeof free_calls / sizeof *free_calls);
    if (!rc && MR_SANITIZED)
        rc = allow(filter, sanitizer_calls, sizeof sanitizer_calls / sizeof *sanitizer_calls);
    if (!rc)
        rc = allow_some(filter);
    if (!rc)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    errno = -rc;
    return rc == 0;
}

/* Bytes of address space that the process has now (proc(5), statm); 0 if unknown. */
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

static bool limit_resources(int64_t memory_mib, int64_t cpu_seconds)
{
    if (memory_mib > 0) {
        rlim_t now = address_space();
        rlim_t most = now + ((rlim_t)memory_mib << 20);
        if (!now) {
            errno = ENOENT;
            return false;
        }
        if (!limit(RLIMIT_AS, most, most))
            return false;
    }
    /* SIGXCPU at the soft limit says why; the hard one is for who ignores it. */
    if (cpu_seconds > 0 && !limit(RLIMIT_CPU, (rlim_t)cpu_seconds, (rlim_t)cpu_seconds + 1))
        return false;
    return limit(RLIMIT_NOFILE, 16, 16) && limit(RLIMIT_FSIZE, 0, 0) && limit(RLIMIT_CORE, 0, 0) &&
           limit(RLIMIT_NPROC, 0, 0);
}

bool mr_confine(int64_t memory_mib, int64_t cpu_seconds)
{
    /* A core or /proc/pid/mem could be read by others of the same user: not of this process. */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           limit_resources(memory_mib, cpu_seconds) && limit_calls();
}
