/*
 * Load on one route: `load URL < BODY` sends the same request over a number of connections and prints what came, as JSON.
 *
 * Without a rate the loop is closed: each connection sends its next request when it has the answer (after a pause, if one
 * is given, and begins at its own time, if a ramp is). With a rate it is open: a request is due at its time, and its
 * latency counts from there, whenever a connection was free for it: a server that stalls does not slow the clock down.
 */
#include "shared/base/clock.h"

#include <curl/curl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { BODY_MAX = 1 << 20, STATUS_MAX = 600, DRAIN_US = 60 * 1000000, POLL_MS_MAX = 100, TOP_MS = 120000 };

struct settings {
    const char *url, *token, *type;
    const char *form;   /* NULL, or a file: each request uploads it, to be made into `target` */
    const char *target; /* of uploads */
    double connections;
    double rate; /* requests a second; 0: the loop is closed */
    double seconds;
    double pause[2]; /* seconds, from and to, drawn for each answer of a closed loop */
    double ramp;     /* connections that begin a second; 0: all at once */
    char body[BODY_MAX];
    size_t body_size;
};

struct user {
    CURL *easy;
    curl_mime *mime;
    int64_t due_us; /* of the request that is sent, or of the next one */
    LIST_ENTRY(user) entry;
};
LIST_HEAD(users, user);

struct load {
    const struct settings *settings;
    CURLM *multi;
    struct curl_slist *headers;
    struct users idle;
    int64_t begin_us, end_us, next_us, last_us; /* next: of an open loop */
    int running;
    long connects;
    long failed; /* transfers without an answer */
    long statuses[STATUS_MAX];
    uint32_t *latencies; /* µs */
    size_t count, room;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static double uniform(const double range[2])
{
    return range[0] + (range[1] - range[0]) * drand48();
}

static size_t discard(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static void add_form(struct load *load, struct user *user)
{
    user->mime = curl_mime_init(user->easy);
    curl_mimepart *part = curl_mime_addpart(user->mime);
    curl_mime_name(part, "fileName");
    curl_mime_filedata(part, load->settings->form);
    part = curl_mime_addpart(user->mime);
    curl_mime_name(part, "newFormat");
    curl_mime_data(part, load->settings->target, CURL_ZERO_TERMINATED);
    curl_easy_setopt(user->easy, CURLOPT_MIMEPOST, user->mime);
}

static struct user *new_user(struct load *load, int number)
{
    const struct settings *settings = load->settings;
    struct user *user = calloc(1, sizeof *user);
    if (!user || !(user->easy = curl_easy_init()))
        die("out of memory");
    user->due_us = load->begin_us + (settings->ramp > 0 ? (int64_t)(number / settings->ramp * 1e6) : 0);
    curl_easy_setopt(user->easy, CURLOPT_URL, settings->url);
    curl_easy_setopt(user->easy, CURLOPT_HTTPHEADER, load->headers);
    curl_easy_setopt(user->easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(user->easy, CURLOPT_PRIVATE, user);
    curl_easy_setopt(user->easy, CURLOPT_TIMEOUT_MS, (long)TOP_MS);
    if (settings->form) {
        add_form(load, user);
    } else if (settings->body_size > 0) {
        curl_easy_setopt(user->easy, CURLOPT_POSTFIELDS, settings->body);
        curl_easy_setopt(user->easy, CURLOPT_POSTFIELDSIZE, (long)settings->body_size);
    }
    return user;
}

static void note(struct load *load, int64_t latency_us)
{
    if (load->count == load->room) {
        load->room = load->room ? load->room * 2 : 65536;
        load->latencies = realloc(load->latencies, load->room * sizeof *load->latencies);
        if (!load->latencies)
            die("out of memory");
    }
    load->latencies[load->count++] = (uint32_t)(latency_us < UINT32_MAX ? latency_us : UINT32_MAX);
}

static void send_request(struct load *load, struct user *user, int64_t due_us)
{
    LIST_REMOVE(user, entry);
    user->due_us = due_us;
    if (curl_multi_add_handle(load->multi, user->easy) != CURLM_OK)
        die("cannot send a request");
    load->running++;
}

static void finish(struct load *load, const CURLMsg *message)
{
    struct user *user = NULL;
    long status = 0, connects = 0;
    CURL *easy = message->easy_handle;
    bool answered = message->data.result == CURLE_OK;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&user);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_multi_remove_handle(load->multi, easy);
    load->running--;
    load->connects += connects;
    load->last_us = mr_time_monotonic_us();
    if (answered && status > 0 && status < STATUS_MAX) {
        load->statuses[status]++;
        note(load, load->last_us - user->due_us);
    } else {
        load->failed++;
    }
    user->due_us = load->last_us + (int64_t)(uniform(load->settings->pause) * 1e6);
    LIST_INSERT_HEAD(&load->idle, user, entry);
}

/* µs until a request is due */
static int64_t send_closed(struct load *load, int64_t now_us)
{
    int64_t wait_us = INT64_MAX;
    struct user *next;
    for (struct user *user = LIST_FIRST(&load->idle); user; user = next) {
        next = LIST_NEXT(user, entry);
        if (user->due_us <= now_us)
            send_request(load, user, now_us);
        else if (user->due_us - now_us < wait_us)
            wait_us = user->due_us - now_us;
    }
    return wait_us;
}

static int64_t send_open(struct load *load, int64_t now_us)
{
    struct user *user;
    while (load->next_us <= now_us && load->next_us < load->end_us && (user = LIST_FIRST(&load->idle))) {
        send_request(load, user, load->next_us);
        load->next_us += (int64_t)(1e6 / load->settings->rate);
    }
    return LIST_EMPTY(&load->idle) ? INT64_MAX : load->next_us - now_us;
}

/* Requests of an open loop that were due before the end are sent after it, if no connection was free. */
static bool is_sending(const struct load *load, int64_t now_us)
{
    return load->settings->rate > 0 ? load->next_us < load->end_us && now_us < load->end_us + DRAIN_US
                                    : now_us < load->end_us;
}

static void run(struct load *load)
{
    for (int64_t now_us;
         now_us = mr_time_monotonic_us(),
         is_sending(load, now_us) || (load->running > 0 && now_us < load->end_us + DRAIN_US);) {
        int64_t wait_us = INT64_MAX;
        int running, left;
        if (is_sending(load, now_us))
            wait_us = load->settings->rate > 0 ? send_open(load, now_us) : send_closed(load, now_us);
        if (curl_multi_perform(load->multi, &running) != CURLM_OK)
            die("curl_multi_perform failed");
        bool ended = false;
        for (const CURLMsg *message; (message = curl_multi_info_read(load->multi, &left)); ended = true)
            finish(load, message);
        if (ended)
            continue;
        int64_t wait_ms = wait_us < 0 ? 0 : wait_us / 1000;
        curl_multi_poll(load->multi, NULL, 0, wait_ms < POLL_MS_MAX ? (int)wait_ms : POLL_MS_MAX, NULL);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const struct load *load, double part)
{
    return load->count ? load->latencies[(size_t)(part * (double)(load->count - 1))] / 1000.0 : 0;
}

/* Requests of an open loop for which no connection became free in time. */
static json_int_t unsent(const struct load *load)
{
    double rate = load->settings->rate;
    return rate > 0 && load->next_us < load->end_us
               ? (json_int_t)((double)(load->end_us - load->next_us) / 1e6 * rate)
               : 0;
}

static void report(struct load *load)
{
    double sum = 0;
    json_t *statuses = json_object();
    if (load->count)
        qsort(load->latencies, load->count, sizeof *load->latencies, compare);
    for (size_t i = 0; i < load->count; i++)
        sum += load->latencies[i] / 1000.0;
    for (int status = 0; status < STATUS_MAX; status++) {
        char name[16];
        snprintf(name, sizeof name, "%d", status);
        if (load->statuses[status])
            json_object_set_new(statuses, name, json_integer(load->statuses[status]));
    }
    double seconds = (double)(load->last_us - load->begin_us) / 1e6;
    json_t *text = json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "answers",
                             (json_int_t)load->count, "failed", (json_int_t)load->failed, "unsent",
                             unsent(load), "connects", (json_int_t)load->connects, "seconds", seconds, "rate",
                             seconds > 0 ? (double)load->count / seconds : 0, "mean_ms",
                             load->count ? sum / (double)load->count : 0, "p50_ms", percentile_ms(load, 0.5),
                             "p99_ms", percentile_ms(load, 0.99), "p999_ms", percentile_ms(load, 0.999),
                             "max_ms", percentile_ms(load, 1), "statuses", statuses);
    if (!text || json_dumpf(text, stdout, JSON_INDENT(1)) != 0)
        die("cannot report");
    json_decref(text);
}

static void begin(struct load *load)
{
    const struct settings *settings = load->settings;
    char line[4096];
    load->multi = curl_multi_init();
    if (!load->multi)
        die("out of memory");
    curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)settings->connections);
    load->headers = curl_slist_append(NULL, "Expect:");
    snprintf(line, sizeof line, "Authorization: Bearer %s", settings->token);
    if (settings->token)
        load->headers = curl_slist_append(load->headers, line);
    snprintf(line, sizeof line, "Content-Type: %s", settings->type);
    if (settings->body_size > 0)
        load->headers = curl_slist_append(load->headers, line);
    load->begin_us = load->next_us = load->last_us = mr_time_monotonic_us();
    load->end_us = load->begin_us + (int64_t)(settings->seconds * 1e6);
    for (int i = 0; i < settings->connections; i++) {
        struct user *user = new_user(load, i);
        LIST_INSERT_HEAD(&load->idle, user, entry);
    }
}

static void end(struct load *load)
{
    for (struct user *user; (user = LIST_FIRST(&load->idle));) {
        LIST_REMOVE(user, entry);
        curl_easy_cleanup(user->easy);
        curl_mime_free(user->mime);
        free(user);
    }
    curl_multi_cleanup(load->multi);
    curl_slist_free_all(load->headers);
    free(load->latencies);
}

/* An option is a text or a number. */
struct argument {
    const char *name;
    const char **text;
    double *number;
};

static void read_argument(const struct argument *argument, const char *value)
{
    char *end = NULL;
    if (argument->text)
        *argument->text = value;
    else if (*argument->number = strtod(value, &end), end == value || *end)
        die("not a number");
}

static void read_arguments(struct settings *settings, int argc, char **argv)
{
    const struct argument arguments[] = {{"token", &settings->token, NULL},
                                         {"type", &settings->type, NULL},
                                         {"form", &settings->form, NULL},
                                         {"target", &settings->target, NULL},
                                         {"connections", NULL, &settings->connections},
                                         {"rate", NULL, &settings->rate},
                                         {"seconds", NULL, &settings->seconds},
                                         {"pause-from", NULL, &settings->pause[0]},
                                         {"pause-to", NULL, &settings->pause[1]},
                                         {"ramp", NULL, &settings->ramp}};
    enum { COUNT = sizeof arguments / sizeof *arguments };
    struct option options[COUNT + 1] = {0};
    int index = 0;
    for (int i = 0; i < COUNT; i++)
        options[i] = (struct option){.name = arguments[i].name, .has_arg = required_argument};
    for (int option; (option = getopt_long(argc, argv, "", options, &index)) != -1;) {
        if (option != 0)
            die("unknown option");
        read_argument(&arguments[index], optarg);
    }
    if (optind + 1 != argc || settings->connections < 1 || settings->seconds <= 0)
        die("usage: load [--token T] [--type T] [--form FILE --target FORMAT] --connections N [--rate R] "
            "--seconds S"
            " [--pause-from S --pause-to S] [--ramp N] URL < BODY");
    settings->url = argv[optind];
}

int main(int argc, char **argv)
{
    static struct settings settings = {.type = "application/json", .target = "wav"};
    struct load load = {.settings = &settings, .idle = LIST_HEAD_INITIALIZER(load.idle)};
    read_arguments(&settings, argc, argv);
    settings.body_size = settings.form ? 0 : fread(settings.body, 1, sizeof settings.body, stdin);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        die("curl_global_init failed");
    begin(&load);
    run(&load);
    report(&load);
    end(&load);
    return 0;
}
