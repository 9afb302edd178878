#include "worker/sandbox_zygote.h"

#include "shared/base/json.h"
#include "worker/protocol.h"
#include "worker/sandbox_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Far above the slots of any worker. */
enum { MAX_JOBS = 256 };

struct job {
    pid_t pid; /* not reaped yet, so no other process can have it */
    int lifeline;
    bool killed;
};

struct zygote {
    int control;
    int children; /* signalfd for SIGCHLD */
    mr_sandbox_entry *entry;
    struct job jobs[MAX_JOBS]; /* the first job_count are in use */
    size_t job_count;
    char spec[MR_SPEC_MAX];
    size_t spec_len;
};

enum { FD_INPUT, FD_OUTPUT, FD_STATUS, FD_LIFELINE };

/* The strings are in memory that every child inherits, and /proc shows the block itself. */
static void wipe_environment(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        explicit_bzero(*entry, strlen(*entry));
    clearenv();
}

/* Leaves `keep` as descriptor 3, and /dev/null as standard input, output and error: what a decoder prints
 * contains bytes of the file. Sanitizer builds keep stderr for their reports. */
static int close_descriptors(int keep)
{
    keep = fcntl(keep, F_DUPFD_CLOEXEC, 4); /* not 0 to 3, which are replaced below */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (keep < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        _exit(1);
    if (!MR_SANITIZED && dup2(null, 2) < 0)
        _exit(1);
    if (dup3(keep, 3, O_CLOEXEC) < 0)
        _exit(1);
    if (close_range(4, ~0U, 0) < 0)
        _exit(1);
    return 3;
}

/* Dies with the parent. The parent may have died already: then the signal never comes. */
static void follow(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(1);
}

/* Ctrl-C goes to the whole process group; the zygote must not end before its parent. */
static void set_signals(sigset_t *ret_blocked)
{
    const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(ret_blocked);
    sigaddset(ret_blocked, SIGCHLD);
    sigprocmask(SIG_SETMASK, ret_blocked, NULL);
}

static void send_exit(int lifeline, const struct mr_exit_record *record)
{
    /* Never blocks: nothing else is ever sent here. If the parent has died, nobody needs it. */
    (void)!send(lifeline, record, sizeof *record, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(lifeline);
}

static _Noreturn void run_child(const struct zygote *zygote, pid_t zygote_pid, const int fds[MR_SPAWN_FDS],
                                const struct mr_spawn_request *request)
{
    prctl(PR_SET_NAME, "mr-job");
    follow(zygote_pid);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* The job's descriptors become 3, 4 and 5; those of the zygote and the lifelines of all jobs are closed. */
    int high[3];
    for (int i = 0; i < 3; i++)
        if ((high[i] = fcntl(fds[i], F_DUPFD, 3 + MR_SPAWN_FDS + 2)) < 0)
            _exit(1);
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], 3 + i) < 0)
            _exit(1);
    close_range(6, ~0U, 0);
    if (!mr_confine(request->memory_mib, request->cpu_seconds, request->threads))
        _exit(1);
    const struct mr_sandbox_fds job = {.input = 3, .output = 4, .status = 5};
    _exit(zygote->entry(zygote->spec, zygote->spec_len, &job));
}

static void start_job(struct zygote *zygote, const int fds[MR_SPAWN_FDS],
                      const struct mr_spawn_request *request)
{
    pid_t self = getpid();
    pid_t pid = -1;
    errno = EAGAIN;
    if (zygote->job_count < MAX_JOBS)
        pid = fork();
    if (pid == 0)
        run_child(zygote, self, fds, request);
    int errnum = errno;
    close(fds[FD_INPUT]);
    close(fds[FD_OUTPUT]);
    close(fds[FD_STATUS]);
    if (pid < 0)
        send_exit(fds[FD_LIFELINE], &(struct mr_exit_record){.type = MR_EXIT_NOT_FORKED, .value = errnum});
    else
        zygote->jobs[zygote->job_count++] = (struct job){pid, fds[FD_LIFELINE], false};
}

/* Takes one request. False when the parent has closed its end. */
static bool receive_request(struct zygote *zygote)
{
    struct mr_spawn_request request;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(MR_SPAWN_FDS * sizeof(int))];
    } ancillary;
    struct iovec parts[] = {{&request, sizeof request}, {zygote->spec, sizeof zygote->spec}};
    struct msghdr message = {
        .msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof ancillary.bytes,
    };
    ssize_t n = recvmsg(zygote->control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN || errno == EMFILE;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if ((size_t)n < sizeof request || !head || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(MR_SPAWN_FDS * sizeof(int)))
        return n != 0;
    int fds[MR_SPAWN_FDS];
    memcpy(fds, CMSG_DATA(head), sizeof fds);
    zygote->spec_len = (size_t)n - sizeof request;
    start_job(zygote, fds, &request);
    return true;
}

static int64_t milliseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static void reap(struct zygote *zygote)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        const struct mr_exit_record record = {.type = MR_EXIT_WAITED,
                                              .value = status,
                                              .peak_kib = usage.ru_maxrss,
                                              .cpu_ms = milliseconds(usage.ru_utime) +
                                                        milliseconds(usage.ru_stime)};
        for (size_t i = 0; i < zygote->job_count; i++) {
            if (zygote->jobs[i].pid != pid)
                continue;
            send_exit(zygote->jobs[i].lifeline, &record);
            zygote->jobs[i] = zygote->jobs[--zygote->job_count];
            break;
        }
    }
}

/* Waits once and serves what is ready. False when the parent has closed its end. */
static bool serve(struct zygote *zygote)
{
    struct pollfd pollers[2 + MAX_JOBS] = {
        {.fd = zygote->control, .events = POLLIN},
        {.fd = zygote->children, .events = POLLIN},
    };
    for (size_t i = 0; i < zygote->job_count; i++)
        pollers[2 + i] = (struct pollfd){
            .fd = zygote->jobs[i].killed ? -1 : zygote->jobs[i].lifeline,
            .events = POLLIN | POLLRDHUP,
        };
    if (poll(pollers, 2 + zygote->job_count, -1) < 0)
        return errno == EINTR;

    for (size_t i = 0; i < zygote->job_count; i++)
        if (pollers[2 + i].revents) {
            kill(zygote->jobs[i].pid, SIGKILL);
            zygote->jobs[i].killed = true;
        }
    if (pollers[1].revents) {
        struct signalfd_siginfo info;
        (void)!read(zygote->children, &info, sizeof info);
        reap(zygote);
    }
    return !pollers[0].revents || receive_request(zygote);
}

/* Uses everything that opens a file on its first use: the children cannot open files. */
static void warm_up(void)
{
    json_object_seed(0); /* jansson reads /dev/urandom */
    tzset();
    (void)!iconv_open("UTF-8", "ISO-8859-1"); /* reads the table of its modules; stays open */
}

/* Kills the remaining children. Nobody waits for their exit records. */
static void end_jobs(const struct zygote *zygote)
{
    for (size_t i = 0; i < zygote->job_count; i++)
        kill(zygote->jobs[i].pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        ;
}

_Noreturn void mr_zygote_main(int control, pid_t parent, mr_sandbox_entry *entry)
{
    sigset_t blocked;
    prctl(PR_SET_NAME, "mr-zygote");
    set_signals(&blocked);
    follow(parent);
    wipe_environment();
    struct zygote *zygote = calloc(1, sizeof *zygote);
    if (!zygote)
        _exit(1);
    zygote->control = close_descriptors(control);
    zygote->children = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    zygote->entry = entry;
    warm_up();
    if (zygote->children < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(1);
    while (serve(zygote))
        ;
    end_jobs(zygote);
    _exit(0);
}
