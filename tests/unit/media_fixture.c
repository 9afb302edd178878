#include "tests/unit/media_fixture.h"

#include "shared/media/options.h"

#include "worker/sandbox_client.h"
#include "worker/sandbox_confine.h"
#include "worker/sandbox_job.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_ARGUMENTS = 512, OUTPUT_MAX = 256 << 20 };

void media_dir_make(struct media_dir *dir)
{
    *dir = (struct media_dir){.path = "media-XXXXXX"};
    assert_non_null(mkdtemp(dir->path));
}

/* Runs a program in dir and returns what it writes to standard output (malloc'ed). */
static char *run_program(const struct media_dir *dir, char *const argv[], size_t *ret_len)
{
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(pair[1], 1);
        dup2(null, 2);
        if (chdir(dir->path) < 0)
            _exit(126);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(pair[1]);
    assert_true(pid > 0);
    char *data = NULL;
    size_t len = 0, capacity = 0;
    for (;;) {
        if (len + 65536 > capacity) {
            capacity = capacity ? capacity * 2 : 1 << 18;
            assert_true(capacity < OUTPUT_MAX);
            assert_non_null(data = realloc(data, capacity));
        }
        ssize_t n = read(pair[0], data + len, 65535);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(pair[0]);
    data[len] = '\0';
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status) {
        for (size_t i = 0; argv[i]; i++)
            print_error("%s ", argv[i]);
        fail_msg("failed (%d)", status);
    }
    *ret_len = len;
    return data;
}

static void split(char *text, char *argv[], size_t at)
{
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        assert_true(at + 1 < MAX_ARGUMENTS);
        argv[at++] = word;
    }
    argv[at] = NULL;
}

void media_dir_remove(const struct media_dir *dir)
{
    char *argv[] = {(char *)"rm", (char *)"-rf", (char *)(uintptr_t)dir->path, NULL};
    const struct media_dir here = {.path = "."};
    size_t len;
    free(run_program(&here, argv, &len));
}

void media_ffmpeg(const struct media_dir *dir, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *argv[MAX_ARGUMENTS] = {(char *)"ffmpeg", (char *)"-y", (char *)"-v", (char *)"error"};
    split(text, argv, 4);
    size_t len;
    free(run_program(dir, argv, &len));
}

json_t *media_probe(const struct media_dir *dir, const char *file)
{
    char text[512];
    snprintf(text, sizeof text, "-v error -of json -show_format -show_streams -show_chapters %s", file);
    char *argv[MAX_ARGUMENTS] = {(char *)"ffprobe"};
    split(text, argv, 1);
    size_t len;
    char *out = run_program(dir, argv, &len);
    json_t *json = json_loadb(out, len, 0, NULL);
    free(out);
    assert_non_null(json);
    return json;
}

static void path_of(const struct media_dir *dir, const char *file, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", dir->path, file);
}

void media_samples_free(struct media_samples *samples)
{
    free(samples->data);
    samples->data = NULL;
}

double media_tone_db(const struct media_samples *samples, double frequency)
{
    /* Goertzel over the middle half, away from a codec's ramps, in whole periods near enough. */
    size_t from = samples->count / 4, count = samples->count / 2;
    if (!count)
        return -200;
    double w = 2 * M_PI * frequency / samples->rate, c = 2 * cos(w), s1 = 0, s2 = 0;
    for (size_t i = 0; i < count; i++) {
        double s0 = samples->data[from + i] + c * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    double power = s1 * s1 + s2 * s2 - c * s1 * s2;
    return 20 * log10(2 * sqrt(fabs(power)) / (double)count + 1e-10);
}

int64_t media_file_size(const struct media_dir *dir, const char *file)
{
    char path[512];
    struct stat st;
    path_of(dir, file, path, sizeof path);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

void media_write_file(const struct media_dir *dir, const char *file, const void *data, size_t len)
{
    char path[512];
    path_of(dir, file, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

void media_cut_file(const struct media_dir *dir, const char *from, const char *to, int permille)
{
    size_t len = (size_t)(media_file_size(dir, from) * permille / 1000);
    char path[512];
    path_of(dir, from, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    char *data = malloc(len + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, len), len);
    close(fd);
    media_write_file(dir, to, data, len);
    free(data);
}

char *media_run(const struct media_dir *dir, size_t *ret_len, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *argv[MAX_ARGUMENTS];
    split(text, argv, 0);
    return run_program(dir, argv, ret_len);
}

/* An output as it comes: the body goes behind a head whose length is known at the end. */
struct files {
    const struct media_dir *dir;
    const char *output;
    int in;
    int logo;
    int head, body; /* of the present output */
    uint32_t index;
    int64_t body_start; /* -1: nothing yet */
    int64_t body_end;
};

static enum mr_status read_range(void *ctx, uint32_t source, int64_t offset, void *buf, size_t len,
                                 size_t *ret_len, struct mr_err *err)
{
    struct files *files = ctx;
    ssize_t n = pread(source ? files->logo : files->in, buf, len, offset);
    if (n < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "read");
    *ret_len = (size_t)n;
    return MR_OK;
}

static void name_output(const struct files *files, char *out, size_t size)
{
    if (files->index == 0)
        snprintf(out, size, "%s/%s", files->dir->path, files->output);
    else
        snprintf(out, size, "%s/%s.%u", files->dir->path, files->output, files->index);
}

static bool append_file(int to, int from)
{
    char buf[65536];
    ssize_t n;
    for (off_t at = 0; (n = pread(from, buf, sizeof buf, at)) > 0; at += n)
        if (write(to, buf, (size_t)n) != n)
            return false;
    return n == 0;
}

static bool finish_output(struct files *files)
{
    char path[512];
    name_output(files, path, sizeof path);
    MR_AUTO_FD int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = out >= 0 && append_file(out, files->head) && append_file(out, files->body);
    files->body_start = -1;
    return done && ftruncate(files->head, 0) == 0 && ftruncate(files->body, 0) == 0;
}

static enum mr_status write_output(void *ctx, uint32_t output, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err)
{
    struct files *files = ctx;
    if (output != files->index && !finish_output(files))
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "write");
    files->index = output;
    if (files->body_start < 0)
        files->body_start = files->body_end = offset;
    bool is_body = offset == files->body_end;
    int64_t at = is_body ? offset - files->body_start : offset;
    files->body_end += is_body ? (int64_t)len : 0;
    ssize_t n = pwrite(is_body ? files->body : files->head, data, len, at);
    return n == (ssize_t)len ? MR_OK : mr_fail_errno(err, MR_UNAVAILABLE, errno, "write");
}

static enum mr_status restart(void *ctx, struct mr_err *err)
{
    struct files *files = ctx;
    files->body_start = -1;
    return ftruncate(files->head, 0) == 0 && ftruncate(files->body, 0) == 0
               ? MR_OK
               : mr_fail_errno(err, MR_UNAVAILABLE, errno, "write");
}

static int open_in(const struct media_dir *dir, const char *file, int flags)
{
    char path[512];
    path_of(dir, file, path, sizeof path);
    return open(path, flags | O_CLOEXEC, 0600);
}

static int memory_mib;

void media_bound_memory(int mib)
{
    memory_mib = mib;
}

enum mr_status media_edit(struct mr_sandbox *sandbox, const struct media_dir *dir, const char *input,
                          const char *output, const char *format, const json_t *options, json_t **ret_receipt,
                          struct mr_err *err)
{
    const struct mr_sandbox_callbacks callbacks = {
        .read_range = read_range, .write_output = write_output, .restart = restart};
    const struct mr_sandbox_limits limits = {
        .memory_mib = MR_SANITIZED                        ? 0
                      : memory_mib                        ? memory_mib
                      : json_object_get(options, "codec") ? 1024
                                                          : 256,
        .cpu_seconds = 120,
        .total_ms = 120000,
        .stall_ms = 60000,
        .threads = dir->threads > 1 ? dir->threads : mr_options_threads(options, mr_format_find(format)),
    };
    MR_AUTO_FD int in = open_in(dir, input, O_RDONLY);
    MR_AUTO_FD int logo = open_in(dir, "logo.png", O_RDONLY);
    MR_AUTO_FD int head = open_in(dir, "output.head", O_RDWR | O_CREAT | O_TRUNC);
    MR_AUTO_FD int body = open_in(dir, "output.body", O_RDWR | O_CREAT | O_TRUNC);
    if (in < 0 || head < 0 || body < 0)
        return mr_fail_errno(err, MR_INTERNAL, errno, "open %s or %s", input, output);
    struct files files = {
        .dir = dir, .output = output, .in = in, .logo = logo, .head = head, .body = body, .body_start = -1};
    MR_AUTO_JSON json_t *spec =
        json_pack("{s:s, s:I, s:s, s:I, s:i, s:O*}", "format", format, "input_size",
                  (json_int_t)media_file_size(dir, input), "input_name", input, "logo_size",
                  (json_int_t)(logo < 0 ? 0 : media_file_size(dir, "logo.png")), "threads", dir->threads,
                  "options", options);
    enum mr_status status = mr_sandbox_run(sandbox, spec, &callbacks, &files, &limits, ret_receipt, err);
    if (!status && !finish_output(&files))
        return mr_fail_errno(err, MR_INTERNAL, errno, "write %s", output);
    return status;
}

int media_act(media_act_fn *act, const void *text, size_t len, const struct mr_sandbox_fds *fds)
{
    MR_AUTO_JSON json_t *spec = json_loadb(text, len, 0, NULL);
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err err;
    bool told =
        act(spec, fds, &receipt, &err) ? mr_client_failure(fds, &err) : mr_client_result(fds, receipt);
    return told ? 0 : 1;
}

enum mr_status media_convert(struct mr_sandbox *sandbox, const struct media_dir *dir, const char *input,
                             const char *output, const char *format, json_t **ret_receipt, struct mr_err *err)
{
    return media_edit(sandbox, dir, input, output, format, NULL, ret_receipt, err);
}
