#include "tests/unit/sandbox_acts.h"

#include "shared/base/clock.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"
#include "worker/sandbox_confine.h"
#include "worker/sandbox_job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const struct mr_sandbox_fds *fds, const char *key)
{
    MR_AUTO_JSON json_t *receipt = json_pack("{s:s}", "did", key);
    (void)!mr_client_result(fds, receipt);
}

/* Copies the input to the output in the order that muxers make: the body, then the head. */
static int act_copy(const struct mr_sandbox_fds *fds)
{
    enum { HEAD = 1000 };
    static char head[HEAD], part[MR_RANGE_MAX];
    int64_t at = 0;
    size_t n;
    while (at < HEAD) {
        if (!mr_client_read(fds, MR_SOURCE_INPUT, at, head + at, (size_t)(HEAD - at), &n) || n == 0)
            return 1;
        at += (int64_t)n;
    }
    for (;;) {
        if (!mr_client_read(fds, MR_SOURCE_INPUT, at, part, sizeof part, &n))
            return 1;
        if (n == 0)
            break;
        if (!mr_client_write(fds, 0, at, part, n) || !mr_client_progress(fds, (int)(at % 1000)))
            return 1;
        at += (int64_t)n;
    }
    if (!mr_client_write(fds, 0, 0, head, HEAD))
        return 1;
    say(fds, "copy");
    return 0;
}

static int act_hello(const struct mr_sandbox_fds *fds)
{
    if (!mr_client_write(fds, 0, 0, "hello", 5))
        return 1;
    say(fds, "hello");
    return 0;
}

static int act_segfault(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would make it an exit of its own */
    int *volatile nowhere = (int *)8;
    *nowhere = 1;
    return 0;
}

static int act_abort(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    abort();
}

static int act_spin(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    for (volatile unsigned i = 0;; i++)
        ;
    return 0;
}

static int act_sleep_on_input(const struct mr_sandbox_fds *fds)
{
    char byte;
    return (int)read(fds->input, &byte, 1); /* nobody answers what was not asked */
}

/* Works for a second and shows it, as an encoder does. */
static int act_tick(const struct mr_sandbox_fds *fds)
{
    int64_t begin_us = mr_time_monotonic_us();
    for (int i = 1; i <= 10; i++) {
        while (mr_time_monotonic_us() - begin_us < i * 100000)
            ;
        if (!mr_client_progress(fds, i))
            return 1;
    }
    say(fds, "tick");
    return 0;
}

/* A code that no child may report. */
static int fail_with(const struct mr_sandbox_fds *fds, enum mr_status status)
{
    struct mr_err err;
    mr_fail(&err, status, "no code for this");
    return !mr_client_failure(fds, &err);
}

static int act_fail_unnamed(const struct mr_sandbox_fds *fds)
{
    return fail_with(fds, MR_INTERNAL);
}

static int act_fail_without_memory(const struct mr_sandbox_fds *fds)
{
    return fail_with(fds, MR_EXHAUSTED);
}

static int act_kill_itself(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    raise(SIGKILL);
    return 0;
}

__attribute__((unused)) static int act_open(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    open("/tmp/mr-sandbox-test", O_WRONLY | O_CREAT, 0600);
    return 0;
}

static int act_socket(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    socket(AF_INET, SOCK_STREAM, 0);
    return 0;
}

static int act_fork(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    return 0;
}

static void *rest(void *arg)
{
    return arg;
}

static void *wait_at(void *barrier)
{
    pthread_barrier_wait(barrier);
    return NULL;
}

/* Forbidden, unless the job may have threads. */
static int act_thread(const struct mr_sandbox_fds *fds)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, rest, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    say(fds, "joined");
    return 0;
}

/* All flags of a thread but the one that makes it one. */
static int act_fork_like_a_thread(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, 0);
    return 0;
}

/* Makes threads until it is refused, which stay until its end. Says how many. */
static int act_many_threads(const struct mr_sandbox_fds *fds)
{
    static pthread_barrier_t never;
    pthread_attr_t attributes;
    pthread_barrier_init(&never, NULL, MANY_THREADS + 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 32 << 10);
    int made = 0;
    pthread_t thread;
    char byte;
    size_t len;
    while (made < MANY_THREADS && pthread_create(&thread, &attributes, wait_at, &never) == 0)
        made++;
    MR_AUTO_JSON json_t *receipt = json_pack("{s:i}", "threads", made);
    if (!mr_client_read(fds, MR_SOURCE_INPUT, 0, &byte, 1, &len) || !mr_client_write(fds, 0, 0, "x", 1))
        return 1;
    return !mr_client_result(fds, receipt);
}

static int act_exec(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    char *argv[] = {(char *)"/bin/true", NULL}, *env[] = {NULL};
    syscall(SYS_execve, argv[0], argv, env);
    return 0;
}

static int act_kill(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_kill, getppid(), SIGTERM);
    return 0;
}

static int act_abort_another(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_tgkill, 1, 1, 0);
    return 0;
}

static int act_ptrace(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_ptrace, 0, 0, 0, 0);
    return 0;
}

static int act_map_code(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return 0;
}

static void send_raw(int fd, const void *data, size_t len)
{
    (void)!write(fd, data, len);
}

static int act_garbage_output(const struct mr_sandbox_fds *fds)
{
    char noise[300];
    memset(noise, 0xee, sizeof noise);
    send_raw(fds->output, noise, sizeof noise);
    return act_sleep_on_input(fds);
}

static int act_garbage_status(const struct mr_sandbox_fds *fds)
{
    char noise[300];
    memset(noise, 0xee, sizeof noise);
    send_raw(fds->status, noise, sizeof noise);
    return act_sleep_on_input(fds);
}

static int act_garbage_request(const struct mr_sandbox_fds *fds)
{
    const struct mr_range_request request = {.offset = -5, .len = 10};
    send_raw(fds->input, &request, sizeof request);
    return act_sleep_on_input(fds);
}

static int act_huge_request(const struct mr_sandbox_fds *fds)
{
    const struct mr_range_request request = {.offset = 0, .len = UINT32_MAX};
    send_raw(fds->input, &request, sizeof request);
    return act_sleep_on_input(fds);
}

static int act_half_frame(const struct mr_sandbox_fds *fds)
{
    const struct mr_output_frame frame = {.offset = 0, .len = 100};
    send_raw(fds->output, &frame, sizeof frame);
    send_raw(fds->output, "only this", 9);
    say(fds, "half");
    return 0;
}

static int act_hole(const struct mr_sandbox_fds *fds)
{
    if (!mr_client_write(fds, 0, 1000, "body", 4) || !mr_client_write(fds, 0, 0, "head", 4))
        return 1;
    say(fds, "hole");
    return 0;
}

static int act_rewrite_body(const struct mr_sandbox_fds *fds)
{
    if (!mr_client_write(fds, 0, 100, "body", 4) || !mr_client_write(fds, 0, 102, "xx", 2))
        return 1;
    say(fds, "rewrite");
    return 0;
}

/* Three outputs, each with a head; the logo goes into the last. */
static int act_three_outputs(const struct mr_sandbox_fds *fds)
{
    char logo[MR_RANGE_MAX];
    size_t len;
    if (!mr_client_read(fds, MR_SOURCE_LOGO, 0, logo, sizeof logo, &len))
        return 1;
    for (uint32_t output = 0; output < 3; output++)
        if (!mr_client_write(fds, output, 4, logo, output == 2 ? len : 4) ||
            !mr_client_write(fds, output, 0, "head", 4))
            return 1;
    say(fds, "three");
    return 0;
}

static int act_no_output(const struct mr_sandbox_fds *fds)
{
    say(fds, "looked");
    return 0;
}

static void send_frame(const struct mr_sandbox_fds *fds, uint32_t output)
{
    const struct mr_output_frame frame = {.offset = 0, .len = 1, .output = output};
    send_raw(fds->output, &frame, sizeof frame);
    send_raw(fds->output, "x", 1);
}

static int act_begin_at_second(const struct mr_sandbox_fds *fds)
{
    send_frame(fds, 1);
    return act_sleep_on_input(fds);
}

static int act_skip_an_output(const struct mr_sandbox_fds *fds)
{
    send_frame(fds, 0);
    send_frame(fds, 2);
    return act_sleep_on_input(fds);
}

static int act_fall_back(const struct mr_sandbox_fds *fds)
{
    send_frame(fds, 0);
    send_frame(fds, 1);
    send_frame(fds, 0);
    return act_sleep_on_input(fds);
}

static int act_wrap_around(const struct mr_sandbox_fds *fds)
{
    send_frame(fds, UINT32_MAX);
    return act_sleep_on_input(fds);
}

static int act_too_many_outputs(const struct mr_sandbox_fds *fds)
{
    for (uint32_t output = 0; output <= MR_OUTPUTS_MAX; output++)
        send_frame(fds, output);
    return act_sleep_on_input(fds);
}

static int act_all_outputs(const struct mr_sandbox_fds *fds)
{
    for (uint32_t output = 0; output < MR_OUTPUTS_MAX; output++)
        send_frame(fds, output);
    say(fds, "all");
    return 0;
}

static int act_leave_a_hole(const struct mr_sandbox_fds *fds)
{
    if (!mr_client_write(fds, 0, 1000, "body", 4) || !mr_client_write(fds, 1, 0, "next", 4))
        return 1;
    return act_sleep_on_input(fds);
}

static int act_hole_in_the_last(const struct mr_sandbox_fds *fds)
{
    if (!mr_client_write(fds, 0, 0, "whole", 5) || !mr_client_write(fds, 1, 8, "body", 4))
        return 1;
    say(fds, "hole");
    return 0;
}

static int act_unknown_source(const struct mr_sandbox_fds *fds)
{
    const struct mr_range_request request = {.offset = 0, .len = 10, .source = MR_SOURCES_MAX};
    send_raw(fds->input, &request, sizeof request);
    return act_sleep_on_input(fds);
}

static int act_no_result(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    return 0;
}

static int act_exit_code(const struct mr_sandbox_fds *fds)
{
    (void)fds;
    return 7;
}

static int act_close_early(const struct mr_sandbox_fds *fds)
{
    close(fds->input);
    close(fds->output);
    close(fds->status);
    return 0;
}

static int act_close_and_spin(const struct mr_sandbox_fds *fds)
{
    act_close_early(fds);
    return act_spin(fds);
}

static int act_two_results(const struct mr_sandbox_fds *fds)
{
    act_hello(fds);
    return act_hello(fds);
}

static int act_failure(const struct mr_sandbox_fds *fds)
{
    struct mr_err err;
    mr_fail_code(&err, MR_CODE_NO_AUDIO, "line\none\x01");
    return !mr_client_failure(fds, &err);
}

static int act_run_again(const struct mr_sandbox_fds *fds)
{
    return !mr_client_copy_impossible(fds, 1);
}

/* Each run is short, all together are not. */
static int act_run_again_late(const struct mr_sandbox_fds *fds)
{
    int64_t begin_us = mr_time_monotonic_us();
    while (mr_time_monotonic_us() - begin_us < 150000)
        ;
    return act_run_again(fds);
}

static int act_unknown_failure(const struct mr_sandbox_fds *fds)
{
    static const char text[] = "{\"code\":\"attempts_exhausted\",\"detail\":\"please\"}";
    const struct mr_status_record record = {.type = MR_STATUS_FAILURE, .len = sizeof text - 1};
    send_raw(fds->status, &record, sizeof record);
    send_raw(fds->status, text, sizeof text - 1);
    return 0;
}

static int act_flood(const struct mr_sandbox_fds *fds)
{
    static char data[MR_FRAME_MAX];
    for (int64_t at = 0; mr_client_write(fds, 0, at, data, sizeof data);)
        at += (int64_t)sizeof data;
    return 1;
}

/* What is complete counts too. */
static int act_flood_in_parts(const struct mr_sandbox_fds *fds)
{
    static char data[MR_FRAME_MAX];
    for (uint32_t output = 0; mr_client_write(fds, output, 0, data, sizeof data);)
        output++;
    return 1;
}

/* Tells what it can see: nothing but its three channels and an empty environment. */
static int act_look_around(const struct mr_sandbox_fds *fds)
{
    char byte;
    int open_fds = 0;
    for (int fd = MR_SANITIZED ? 3 : 0; fd < 64; fd++)
        open_fds += write(fd, &byte, 0) == 0 || (read(fd, &byte, 0) == 0);
    MR_AUTO_JSON json_t *receipt =
        json_pack("{s:i, s:b}", "fds", open_fds, "environment", environ && environ[0]);
    if (!mr_client_write(fds, 0, 0, "x", 1))
        return 1;
    return !mr_client_result(fds, receipt);
}

#if !MR_SANITIZED /* sanitizers read files, and need memory without bounds */
/* The one thing that is refused, not punished (sandbox_confine.c says why). */
static int act_read_file(const struct mr_sandbox_fds *fds)
{
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
        return 1;
    return act_hello(fds);
}

static int act_eat_memory(const struct mr_sandbox_fds *fds)
{
    enum { CHUNK = 1 << 20, CHUNKS = 4096 };
    for (int i = 0; i < CHUNKS; i++) {
        char *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (chunk == MAP_FAILED) {
            struct mr_err err;
            mr_fail_code(&err, MR_CODE_RESOURCE_LIMIT, "out of memory after %d MiB", i);
            return !mr_client_failure(fds, &err);
        }
        memset(chunk, 1, 4096);
    }
    say(fds, "eat");
    return 0;
}

/* Fills most of its memory, then hangs. */
static int act_hold_memory(const struct mr_sandbox_fds *fds)
{
    enum { BYTES = 52 << 20 };
    char *held = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED)
        return 1;
    memset(held, 1, BYTES);
    if (!mr_client_progress(fds, 1))
        return 1;
    return act_sleep_on_input(fds);
}
#endif

const struct sandbox_act sandbox_acts[] = {
    {"hello", act_hello, MR_OK, NULL},
    {"copy", act_copy, MR_OK, NULL},
    {"segfault", act_segfault, MR_INVALID, "decoder_crashed"},
    {"abort", act_abort, MR_INVALID, "decoder_crashed"},
    {"spin", act_spin, MR_TOO_LARGE, "timed_out"},
    {"sleep", act_sleep_on_input, MR_TOO_LARGE, "timed_out"},
    {"open", act_open, MR_INVALID, "sandbox_violation"},
    {"socket", act_socket, MR_INVALID, "sandbox_violation"},
    {"fork", act_fork, MR_INVALID, "sandbox_violation"},
    {"fork like a thread", act_fork_like_a_thread, MR_INVALID, "sandbox_violation"},
    {"thread", act_thread, MR_INVALID, "sandbox_violation"},
    {"many threads", act_many_threads, MR_INVALID, "sandbox_violation"},
    {"exec", act_exec, MR_INVALID, "sandbox_violation"},
    {"kill", act_kill, MR_INVALID, "sandbox_violation"},
    {"abort another", act_abort_another, MR_INVALID, "sandbox_violation"},
    {"ptrace", act_ptrace, MR_INVALID, "sandbox_violation"},
    {"map code", act_map_code, MR_INVALID, "sandbox_violation"},
    {"garbage output", act_garbage_output, MR_INVALID, "sandbox_protocol"},
    {"garbage status", act_garbage_status, MR_INVALID, "sandbox_protocol"},
    {"garbage request", act_garbage_request, MR_INVALID, "sandbox_protocol"},
    {"huge request", act_huge_request, MR_INVALID, "sandbox_protocol"},
    {"half a frame", act_half_frame, MR_INVALID, "sandbox_protocol"},
    {"hole", act_hole, MR_INVALID, "sandbox_protocol"},
    {"rewrite the body", act_rewrite_body, MR_INVALID, "sandbox_protocol"},
    {"three outputs", act_three_outputs, MR_OK, NULL},
    {"no output", act_no_output, MR_OK, NULL},
    {"all outputs", act_all_outputs, MR_OK, NULL},
    {"begin at the second", act_begin_at_second, MR_INVALID, "sandbox_protocol"},
    {"skip an output", act_skip_an_output, MR_INVALID, "sandbox_protocol"},
    {"fall back", act_fall_back, MR_INVALID, "sandbox_protocol"},
    {"wrap around", act_wrap_around, MR_INVALID, "sandbox_protocol"},
    {"too many outputs", act_too_many_outputs, MR_INVALID, "sandbox_protocol"},
    {"leave a hole", act_leave_a_hole, MR_INVALID, "sandbox_protocol"},
    {"a hole in the last", act_hole_in_the_last, MR_INVALID, "sandbox_protocol"},
    {"unknown source", act_unknown_source, MR_INVALID, "sandbox_protocol"},
    {"no result", act_no_result, MR_INVALID, "sandbox_protocol"},
    {"exit code", act_exit_code, MR_INVALID, "decoder_crashed"},
    {"close early", act_close_early, MR_INVALID, "sandbox_protocol"},
    {"close and spin", act_close_and_spin, MR_TOO_LARGE, "timed_out"},
    {"two results", act_two_results, MR_INVALID, "sandbox_protocol"},
    {"failure", act_failure, MR_INVALID, "no_audio"},
    {"run again", act_run_again, MR_INVALID, "sandbox_protocol"},
    {"run again late", act_run_again_late, MR_INVALID, "sandbox_protocol"},
    {"tick", act_tick, MR_OK, NULL},
    {"fail unnamed", act_fail_unnamed, MR_INTERNAL, "converter_fault"},
    {"fail without memory", act_fail_without_memory, MR_TOO_LARGE, "resource_limit"},
    {"kill itself", act_kill_itself, MR_INVALID, "sandbox_violation"},
    {"unknown failure", act_unknown_failure, MR_INVALID, "sandbox_protocol"},
    {"flood", act_flood, MR_TOO_LARGE, "resource_limit"},
    {"flood in parts", act_flood_in_parts, MR_TOO_LARGE, "resource_limit"},
#if !MR_SANITIZED
    {"read a file", act_read_file, MR_OK, NULL},
    {"eat memory", act_eat_memory, MR_TOO_LARGE, "resource_limit"},
    {"hold memory", act_hold_memory, MR_TOO_LARGE, "timed_out"},
#endif
    {"look around", act_look_around, MR_OK, NULL},
};
const size_t sandbox_acts_count = sizeof sandbox_acts / sizeof *sandbox_acts;

int sandbox_act_run(const void *spec, size_t len, const struct mr_sandbox_fds *fds)
{
    MR_AUTO_JSON json_t *json = json_loadb(spec, len, 0, NULL);
    const char *name = json_string_value(json_object_get(json, "act"));
    for (size_t i = 0; name && i < sandbox_acts_count; i++)
        if (strcmp(sandbox_acts[i].name, name) == 0)
            return sandbox_acts[i].run(fds);
    return 99;
}
