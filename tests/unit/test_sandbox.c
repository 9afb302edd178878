/* The sandbox with children that misbehave: each loses its own job, by the right name, and nothing else. */
#include "tests/unit/sandbox_acts.h"

#include "worker/protocol.h"
#include "worker/sandbox_confine.h"
#include "worker/sandbox_job.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { INPUT_SIZE = 3 * 1000 * 1000, LOGO_SIZE = 1000 };

struct parent {
    size_t written;
    uint32_t output; /* the last one that was written */
    uint32_t sum;    /* of every byte and its place */
    int progress;
    int restarts;
    bool fail_read;
    bool fail_write;
    int cancel_after; /* questions; -1: never */
    bool kill_child;  /* once it has reported progress, or with kill_early at once */
    bool kill_early;
    bool watched; /* the job ends once it has this priority, or after 100 questions */
    int priority, questions;
    const char *beside; /* an act that runs while the job waits for its input */
    enum mr_status beside_status;
};

static struct mr_sandbox_limits usual(void);
static enum mr_status run(const char *act, struct parent *parent, const struct mr_sandbox_limits *limits,
                          json_t **ret, struct mr_err *err);

static unsigned char byte_at(int64_t offset)
{
    return (unsigned char)((offset * 7919) >> 5);
}

/* With threads. */
static enum mr_status run_beside(const char *act)
{
    struct mr_sandbox_limits limits = usual();
    struct parent parent = {.cancel_after = -1};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *receipt = NULL;
    limits.threads = 2;
    return run(act, &parent, &limits, &receipt, &err);
}

static enum mr_status read_range(void *ctx, uint32_t source, int64_t offset, void *buf, size_t len,
                                 size_t *ret_len, struct mr_err *err)
{
    struct parent *parent = ctx;
    if (parent->fail_read)
        return mr_fail_code(err, MR_CODE_CORRUPTED, "no storage");
    if (parent->beside)
        parent->beside_status = run_beside(parent->beside);
    assert_in_range(source, 0, MR_SOURCES_MAX - 1);
    const int64_t size = source == MR_SOURCE_LOGO ? LOGO_SIZE : INPUT_SIZE;
    size_t n = 0;
    for (; n < len && offset + (int64_t)n < size; n++)
        ((unsigned char *)buf)[n] = byte_at(offset + (int64_t)n);
    *ret_len = n;
    return MR_OK;
}

static enum mr_status write_output(void *ctx, uint32_t output, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err)
{
    struct parent *parent = ctx;
    if (parent->fail_write)
        return mr_fail_code(err, MR_CODE_SESSION_LOST, "no storage");
    assert_true(output == parent->output || output == parent->output + 1);
    parent->output = output;
    for (size_t i = 0; i < len; i++)
        parent->sum += (uint32_t)(offset + (int64_t)i) * ((const unsigned char *)data)[i];
    parent->written += len;
    return MR_OK;
}

static void progress(void *ctx, int permille)
{
    struct parent *parent = ctx;
    assert_true(permille > parent->progress);
    parent->progress = permille;
}

/* A process's only child. */
static pid_t only_child(pid_t of)
{
    char path[64];
    int pid = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", of, of);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    return pid;
}

static bool canceled(void *ctx)
{
    struct parent *parent = ctx;
    if (parent->kill_child && (parent->progress > 0 || parent->kill_early)) {
        parent->kill_child = false;
        kill(only_child(only_child(getpid())), SIGKILL);
    }
    if (parent->watched)
        return ++parent->questions == 100 ||
               getpriority(PRIO_PROCESS, (id_t)only_child(only_child(getpid()))) == parent->priority;
    return parent->cancel_after >= 0 && parent->cancel_after-- == 0;
}

static enum mr_status restart(void *ctx, struct mr_err *err)
{
    struct parent *parent = ctx;
    (void)err;
    parent->restarts++;
    return MR_OK;
}

static struct mr_sandbox *sandbox;

static enum mr_status run(const char *act, struct parent *parent, const struct mr_sandbox_limits *limits,
                          json_t **ret, struct mr_err *err)
{
    static const struct mr_sandbox_callbacks callbacks = {.read_range = read_range,
                                                          .write_output = write_output,
                                                          .progress = progress,
                                                          .canceled = canceled,
                                                          .restart = restart};
    MR_AUTO_JSON json_t *spec = json_pack("{s:s}", "act", act);
    return mr_sandbox_run(sandbox, spec, &callbacks, parent, limits, ret, err);
}

/* Where a stall is expected. */
enum { STALL_MS = 500 };

static struct mr_sandbox_limits usual(void)
{
    return (struct mr_sandbox_limits){
        .memory_mib = MR_SANITIZED ? 0 : 64,
        .cpu_seconds = 20,
        .total_ms = 20000,
        .stall_ms = 10000,
        .output_max = 64 << 20,
    };
}

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void check_act(const struct sandbox_act *act)
{
    struct parent parent = {.cancel_after = -1};
    struct mr_sandbox_limits limits = usual();
    if (act->code && strcmp(act->code, "timed_out") == 0)
        limits.stall_ms = STALL_MS;
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err = {0};
    enum mr_status status = run(act->name, &parent, &limits, &receipt, &err);
    if (status != act->status || (act->code && strcmp(act->code, mr_code_name(err.code)) != 0))
        fail_msg("%s: %s, %s: %s", act->name, mr_status_name(status), mr_code_name(err.code), err.message);
    assert_int_equal(status == MR_OK, receipt != NULL);
    if (strcmp(act->name, "look around") == 0) {
        assert_int_equal(json_integer_value(json_object_get(receipt, "fds")), MR_SANITIZED ? 3 : 6);
        assert_true(json_is_false(json_object_get(receipt, "environment")));
    }
    assert_int_equal(parent.restarts, strncmp(act->name, "run again", strlen("run again")) == 0 ? 2 : 0);
    if (strcmp(act->name, "failure") == 0)
        assert_string_equal(err.message, "line one ");
}

static void test_every_act(void **state)
{
    (void)state;
    pid_t self = getpid();
    int before = count_fds();
    for (size_t i = 0; i < sandbox_acts_count; i++)
        check_act(&sandbox_acts[i]);
    assert_int_equal(count_fds(), before);
    assert_int_equal(getpid(), self);
    assert_true(mr_sandbox_alive(sandbox));
}

/* Where threads are allowed they are all that is. */
static void test_threads_are_allowed_by_job(void **state)
{
    (void)state;
    static const char *const others[] = {"fork", "fork like a thread", "exec", "socket", "kill", "map code"};
    struct mr_sandbox_limits limits = usual();
    struct parent parent = {.cancel_after = -1};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *receipt = NULL;
    limits.threads = 2;
    assert_int_equal(run("thread", &parent, &limits, &receipt, &err), MR_OK);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        MR_AUTO_JSON json_t *none = NULL;
        assert_int_equal(run(others[i], &parent, &limits, &none, &err), MR_INVALID);
        assert_string_equal(mr_code_name(err.code), "sandbox_violation");
    }
}

/* As a user that nobody else is and that is not root, whose threads the kernel does not bound: the worst result. */
static int make_many_threads(void)
{
    const uid_t nobody = 0x40000000 + (uid_t)getpid();
    struct mr_sandbox_limits limits = usual();
    struct parent parent = {.cancel_after = -1, .beside = "thread", .beside_status = MR_INTERNAL};
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err = {0};
    limits.threads = 2;
    limits.memory_mib *= 16;
    limits.stall_ms = limits.total_ms;
    if ((geteuid() == 0 && (setresgid(nobody, nobody, nobody) || setresuid(nobody, nobody, nobody))) ||
        mr_sandbox_start(sandbox_act_run, &sandbox, &err) ||
        run("many threads", &parent, &limits, &receipt, &err))
        return 1;
    mr_sandbox_stop(sandbox);
    const json_int_t made = json_integer_value(json_object_get(receipt, "threads"));
    return made < 200 || made >= MANY_THREADS ? 2 : parent.beside_status != MR_OK ? 3 : 0;
}

/* Their number is bounded: a child that wants more is refused, and one that begins then has some, too. */
static void test_threads_are_bounded(void **state)
{
    (void)state;
    if (MR_SANITIZED) /* has no room for so many */
        return;
    int status = -1;
    pid_t pid = fork();
    assert_int_not_equal(pid, -1);
    if (pid == 0)
        _exit(make_many_threads());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Those of a job with many weigh as much as the one of another. */
static void test_threads_weigh_as_one(void **state)
{
    (void)state;
    static const struct {
        int threads, priority; /* besides that of this process */
    } jobs[] = {{0, 0}, {1, 0}, {2, 3}, {4, 6}, {10, 10}};
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct mr_sandbox_limits limits = usual();
        const int expected = getpriority(PRIO_PROCESS, 0) + jobs[i].priority;
        struct parent parent = {
            .cancel_after = -1, .watched = true, .priority = expected > 19 ? 19 : expected};
        struct mr_err err = {0};
        json_t *none = NULL;
        limits.stall_ms = limits.total_ms;
        limits.threads = jobs[i].threads;
        assert_int_equal(run("sleep", &parent, &limits, &none, &err), MR_CANCELED);
        assert_in_range(parent.questions, 1, 99);
    }
}

static void test_copy_is_exact(void **state)
{
    (void)state;
    struct parent parent = {.cancel_after = -1};
    const struct mr_sandbox_limits limits = usual();
    MR_AUTO_JSON json_t *receipt = NULL;
    uint32_t sum = 0;
    for (int64_t i = 0; i < INPUT_SIZE; i++)
        sum += (uint32_t)i * byte_at(i);
    assert_int_equal(run("copy", &parent, &limits, &receipt, NULL), MR_OK);
    assert_int_equal(parent.written, INPUT_SIZE);
    assert_int_equal(parent.sum, sum);
    assert_true(parent.progress > 0);
}

static void test_outputs_are_counted(void **state)
{
    (void)state;
    struct parent parent = {.cancel_after = -1};
    const struct mr_sandbox_limits limits = usual();
    MR_AUTO_JSON json_t *receipt = NULL;
    assert_int_equal(run("three outputs", &parent, &limits, &receipt, NULL), MR_OK);
    assert_int_equal(parent.output, 2);
    assert_int_equal(parent.written, 2 * 8 + LOGO_SIZE + 4);
}

static void test_callbacks_fail(void **state)
{
    (void)state;
    const struct mr_sandbox_limits limits = usual();
    struct parent no_input = {.fail_read = true, .cancel_after = -1};
    struct parent no_output = {.fail_write = true, .cancel_after = -1};
    struct parent impatient = {.cancel_after = 3};
    json_t *receipt = NULL;
    struct mr_err err;
    assert_int_equal(run("copy", &no_input, &limits, &receipt, &err), MR_UNAVAILABLE);
    assert_string_equal(mr_code_name(err.code), "corrupted");
    assert_int_equal(run("copy", &no_output, &limits, &receipt, &err), MR_UNAVAILABLE);
    assert_string_equal(mr_code_name(err.code), "session_lost");
    assert_int_equal(run("flood", &impatient, &limits, &receipt, &err), MR_CANCELED);
    assert_null(receipt);
}

static void test_time_limits(void **state)
{
    (void)state;
    struct parent parent = {.cancel_after = -1};
    json_t *receipt = NULL;
    struct mr_err err;
    struct mr_sandbox_limits limits = usual();
    limits.stall_ms = 10000;
    limits.cpu_seconds = 1;
    assert_int_equal(run("spin", &parent, &limits, &receipt, &err), MR_TOO_LARGE);
    assert_string_equal(mr_code_name(err.code), "resource_limit");
    limits.total_ms = 300;
    assert_int_equal(run("sleep", &parent, &limits, &receipt, &err), MR_TOO_LARGE);
    assert_string_equal(mr_code_name(err.code), "timed_out");
    limits.total_ms = 400; /* of three runs of 150 */
    assert_int_equal(run("run again late", &parent, &limits, &receipt, &err), MR_TOO_LARGE);
    assert_string_equal(mr_code_name(err.code), "timed_out");
    assert_null(receipt);
}

/* From outside, as the machine does that runs out of memory: not the fault of the file, or not surely. */
static void test_child_is_killed_from_outside(void **state)
{
    (void)state;
    const struct mr_sandbox_limits limits = usual();
    json_t *receipt = NULL;
    struct mr_err err;
    struct parent small = {.cancel_after = -1, .kill_child = true, .kill_early = true};
    assert_int_equal(run("sleep", &small, &limits, &receipt, &err), MR_EXHAUSTED);
    assert_string_equal(mr_code_name(err.code), "child_killed");
#if !MR_SANITIZED /* these have no limit of memory */
    struct parent full = {.cancel_after = -1, .kill_child = true};
    assert_int_equal(run("hold memory", &full, &limits, &receipt, &err), MR_EXHAUSTED);
    assert_string_equal(mr_code_name(err.code), "child_killed_full");
#endif
    assert_null(receipt);
}

/* Freezes this process, its zygote and the child for three times the stall time. */
static pid_t freeze_all(void)
{
    pid_t self = getpid(), zygote = only_child(self);
    pid_t freezer = fork();
    if (freezer != 0)
        return freezer;
    const struct timespec start = {.tv_nsec = 300 * 1000 * 1000}, frozen = {.tv_sec = 2};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &start, NULL);
    pid_t child = only_child(zygote);
    const pid_t all[] = {child, zygote, self};
    for (size_t i = 0; i < 3; i++)
        kill(all[i], SIGSTOP);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &frozen, NULL);
    for (size_t i = 3; i-- > 0;)
        kill(all[i], SIGCONT);
    _exit(0);
}

static void test_frozen_time_is_not_counted(void **state)
{
    (void)state;
    struct parent parent = {.cancel_after = -1};
    struct mr_sandbox_limits limits = usual();
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err = {0};
    limits.stall_ms = STALL_MS;
    limits.total_ms = 2500; /* the work takes one second */
    pid_t freezer = freeze_all();
    enum mr_status status = run("tick", &parent, &limits, &receipt, &err);
    waitpid(freezer, NULL, 0);
    if (status != MR_OK)
        fail_msg("%s", err.message);
}

static void *run_many(void *arg)
{
    (void)arg;
    const struct mr_sandbox_limits limits = usual();
    for (int i = 0; i < 10; i++) {
        struct parent parent = {.cancel_after = -1};
        MR_AUTO_JSON json_t *receipt = NULL;
        const char *act = i % 3 == 0 ? "copy" : i % 3 == 1 ? "hello" : "exec";
        enum mr_status status = run(act, &parent, &limits, &receipt, NULL);
        if (status != (i % 3 == 2 ? MR_INVALID : MR_OK))
            return (void *)(uintptr_t)1;
    }
    return NULL;
}

static void test_many_at_once(void **state)
{
    (void)state;
    int before = count_fds();
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count_fds(), before);
}

/* The zygote's children, by /proc; zombies count. */
static int count_grandchildren(pid_t zygote)
{
    char path[64], text[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", zygote, zygote);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += text[i] == ' ';
    return count;
}

static void test_no_zombies(void **state)
{
    (void)state;
    assert_int_equal(count_grandchildren(only_child(getpid())), 0);
}

/* An own sandbox, whose zygote is killed: the program learns it, and its job ends as one that may be
 * repeated.
 */
static void test_zygote_dies(void **state)
{
    (void)state;
    struct mr_sandbox *usual_sandbox = sandbox;
    pid_t first = only_child(getpid());
    struct mr_sandbox_child child = MR_SANDBOX_CHILD_NONE;
    const struct mr_sandbox_limits limits = usual();
    mr_sandbox_stop(usual_sandbox);
    sandbox = NULL;
    assert_int_equal(mr_sandbox_start(sandbox_act_run, &sandbox, NULL), MR_OK);
    pid_t zygote = only_child(getpid());
    assert_int_not_equal(first, zygote);
    assert_int_equal(mr_sandbox_spawn(sandbox, "{\"act\":\"sleep\"}", 15, &limits, &child, NULL), MR_OK);
    assert_true(mr_sandbox_alive(sandbox));

    kill(zygote, SIGKILL);
    mr_sandbox_child_end(&child); /* returns: nobody waits for the dead */
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)zygote, &info, WEXITED | WNOWAIT), 0);
    assert_false(mr_sandbox_alive(sandbox));
    struct parent parent = {.cancel_after = -1};
    json_t *receipt = NULL;
    struct mr_err err;
    assert_int_equal(run("hello", &parent, &limits, &receipt, &err), MR_UNAVAILABLE);
    assert_string_equal(mr_code_name(err.code), "sandbox_unavailable");
    assert_true(mr_status_is_transient(err.status));
}

static void test_spec_is_bounded(void **state)
{
    (void)state;
    static char spec[MR_SPEC_MAX + 1];
    struct mr_sandbox_child child = MR_SANDBOX_CHILD_NONE;
    const struct mr_sandbox_limits limits = usual();
    assert_int_equal(mr_sandbox_spawn(sandbox, spec, sizeof spec, &limits, &child, NULL), MR_INVALID);
    assert_int_equal(child.lifeline, -1);
}

int main(void)
{
    setenv("SECRET", "not for children", 1);
    struct mr_err err;
    if (mr_sandbox_start(sandbox_act_run, &sandbox, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_act),
        cmocka_unit_test(test_threads_are_allowed_by_job),
        cmocka_unit_test(test_threads_are_bounded),
        cmocka_unit_test(test_threads_weigh_as_one),
        cmocka_unit_test(test_copy_is_exact),
        cmocka_unit_test(test_callbacks_fail),
        cmocka_unit_test(test_time_limits),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_no_zombies),
        cmocka_unit_test(test_spec_is_bounded),
        cmocka_unit_test(test_outputs_are_counted),
        cmocka_unit_test(test_child_is_killed_from_outside),
        cmocka_unit_test(test_frozen_time_is_not_counted),
        cmocka_unit_test(test_zygote_dies),
    };
    int failed = cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
    mr_sandbox_stop(sandbox);
    return failed;
}
