/*
 * The model of the protocol: model [--seed N] [--seeds N] [--every N] [--part K/N] [--steps N] [--fault NAME] [--list]
 * [--verbose]
 *
 * Without --fault or --seed: --seeds runs without a fault, then each planted fault until it is found. With them: one run,
 * which prints its last steps when a rule is broken. TEST_DATABASE says where PostgreSQL is (tests/model/run.sh).
 */
#include "shared/base/clock.h"
#include "shared/data/db_migrate.h"
#include "shared/data/tasks.h"
#include "tests/model/faults.h"
#include "tests/model/model.h"

#include <getopt.h>
#include <inttypes.h>
#include <time.h>

/* A fault is missed after this time, and this many steps, because a busy machine runs fewer. */
enum { CHAOS_S = 240, FAULT_S = 60, FAULT_STEPS = 200000, CONNINFO_MAX = 512 };

struct options {
    uint64_t seed;
    int seeds;
    long steps;
    const char *fault;
    int every;       /* only every n-th of the faults */
    int part, parts; /* of the list of faults, and of the seeds: every parts-th */
    bool is_verbose, is_single;
};

static void must(enum mr_status status, const struct mr_err *err)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "model: %s\n", err->message);
    exit(2);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The limits are small, so that each is reached; times are those of the product. */
static struct mr_config config_of_model(void)
{
    return (struct mr_config){.lease_seconds = LEASE_S,
                              .max_attempts = 3,
                              .max_interruptions = 2,
                              .max_stops = 3,
                              .max_task_s = 86400,
                              .give_up_s = 90,
                              .republish_after_s = 120,
                              .ack_deadline_s = ACK_DEADLINE_S,
                              .delivery_timeout_s = 5,
                              .delivery_attempts = 6};
}

static char *make_database(const char *name)
{
    const char *server = getenv("TEST_DATABASE");
    char admin[CONNINFO_MAX], sql[CONNINFO_MAX];
    char *conninfo = NULL;
    if (!server) {
        fprintf(stderr, "model: TEST_DATABASE is not set: run tests/model/run.sh\n");
        exit(2);
    }
    snprintf(admin, sizeof admin, "%s dbname=postgres", server);
    struct watch *watch = watch_open(admin);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    watch_command(watch, sql);
    watch_close(watch);
    if (asprintf(&conninfo, "%s dbname=%s", server, name) < 0)
        abort();
    return conninfo;
}

static void drop_database(const char *name)
{
    char admin[CONNINFO_MAX], sql[CONNINFO_MAX];
    snprintf(admin, sizeof admin, "%s dbname=postgres", getenv("TEST_DATABASE"));
    struct watch *watch = watch_open(admin);
    snprintf(sql, sizeof sql, "DROP DATABASE %s", name);
    watch_command(watch, sql);
    watch_close(watch);
}

static struct watch *open_migrated(const char *conninfo)
{
    struct watch *watch = watch_open(conninfo);
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    int applied = 0;
    watch_install_clock(watch);
    watch_close(watch); /* the settings of the database are read at the start of a connection */
    must(mr_db_open(conninfo, 1, &db, &err), &err);
    must(mr_db_migrate(db, mr_migrations, &applied, &err), &err);
    mr_db_close(db);
    return watch_open(conninfo);
}

static void begin_run(struct model *model, const char *conninfo, const struct fault *fault, uint64_t seed)
{
    struct mr_err err = {0};
    struct watch *watch = model->watch;
    const struct mr_log *log = model->log;
    bool is_verbose = model->is_verbose;
    memset(model, 0, sizeof *model);
    *model = (struct model){.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1,
                            .seed = seed,
                            .quiet_us = CHAOS_S * INT64_C(1000000),
                            .fault = fault,
                            .watch = watch,
                            .log = log,
                            .is_verbose = is_verbose,
                            .crash = -1,
                            .config = config_of_model()};
    must(mr_db_open(conninfo, 1, &model->db, &err), &err);
    model->web.config = model->worker.config = &model->config;
    model->web.db = model->worker.db = model->db;
    model->web.log = model->worker.log = log;
    for (int i = 0; i < PROCESSES; i++)
        model->processes[i].is_worker = i >= WEBS;
    watch_reset(watch);
    the_model = model;
}

static void end_run(struct model *model)
{
    model_free_stacks(model);
    mr_db_close(MR_TAKE(model->db));
    the_model = NULL;
}

/* The clock works where it matters: an expired lease, and a live one. */
static void prove_clock(struct model *model)
{
    static const struct mr_lease_terms terms = {LEASE_S, 3, 3, 3, 86400, 600};
    const struct mr_task_draft draft = {.file_id = "00000000-0000-4000-8000-000000000001",
                                        .user_id = 1,
                                        .kind = MR_KIND_CONVERT,
                                        .priority = "normal",
                                        .new_format = "mp3"};
    const struct mr_task_draft *const drafts[] = {&draft};
    const struct mr_message message = {.kind = MR_KIND_CONVERT, .task_id = 1, .generation = 1};
    enum mr_claim_outcome expected[] = {MR_CLAIM_OURS, MR_CLAIM_ELSEWHERE, MR_CLAIM_OURS};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *view = NULL;
    must(mr_tasks_insert(model->db, drafts, 1, &view, &err), &err);
    for (int i = 0; i < 3; i++) {
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        enum mr_claim_outcome outcome = MR_CLAIM_STALE;
        char id[MR_UUID_TEXT_MAX];
        model->now_us = (i == 2) * (LEASE_S * INT64_C(1000000) + 1);
        must(mr_uuid_generate(id, &err), &err);
        must(mr_lease_claim(model->db, &message, id, &terms, &outcome, &claim, &err), &err);
        if (outcome != expected[i]) {
            fprintf(stderr, "model: the virtual clock does not work: claim %d\n", i);
            exit(2);
        }
    }
}

static void show(const struct model *model)
{
    for (long n = model->step.number - TRACE_LINES + 1; !model->is_verbose && n <= model->step.number; n++)
        if (n > 0)
            printf("    %s\n", model->trace[n % TRACE_LINES]);
    printf("  violated: %s: %s\n", model->violation.invariant, model->violation.detail);
    printf("  again: tests/model/run.sh --seed %" PRIu64 " --steps %ld%s%s%s\n", model->seed,
           model->step.number, model->fault ? " --fault \"" : "", model->fault ? model->fault->name : "",
           model->fault ? "\"" : "");
}

static bool is_expected(const struct model *model)
{
    const char *names = model->fault->invariant;
    size_t len = strlen(model->violation.invariant);
    for (const char *at = names; (at = strstr(at, model->violation.invariant)); at += len)
        if ((at == names || at[-1] == '|') && (at[len] == '\0' || at[len] == '|'))
            return true;
    return false;
}

/* False if the clean model breaks a rule. */
static bool run_clean(struct model *model, const char *conninfo, const struct options *options)
{
    double begin = seconds();
    long steps = 0;
    int runs = 0;
    for (int i = options->part; i < options->seeds; i += options->parts) {
        begin_run(model, conninfo, NULL, options->seed + (uint64_t)i);
        model_run(model, options->steps);
        steps += model->step.number;
        runs++;
        end_run(model);
        if (model->violation.invariant) {
            show(model);
            return false;
        }
    }
    printf("clean  %d seeds from %" PRIu64 ", %ld steps, 0 violations, %.1f s\n", runs, options->seed, steps,
           seconds() - begin);
    fflush(stdout);
    return true;
}

/* False if the fault is not found in its time, or by another rule than the list says. */
static bool find_fault(struct model *model, const char *conninfo, const struct fault *fault,
                       const struct options *options)
{
    double begin = seconds();
    long steps = 0;
    bool was_planted = false;
    for (int i = 0; steps < FAULT_STEPS || seconds() - begin < FAULT_S; i++) {
        begin_run(model, conninfo, fault, options->seed + (uint64_t)i);
        if (fault->schema)
            watch_command(model->watch, fault->schema);
        model_run(model, options->steps);
        steps += model->step.number;
        was_planted |= model->applied || model->acted || fault->schema;
        end_run(model);
        if (model->violation.invariant && is_expected(model)) {
            printf("found  %-48s %6ld steps %5.1f s  by: %s\n", fault->name, steps, seconds() - begin,
                   model->violation.invariant);
            return true;
        }
        if (model->violation.invariant) {
            printf("WRONG  %s: found, but not by: %s\n", fault->name, fault->invariant);
            show(model);
            return false;
        }
    }
    printf("MISSED %s: %ld steps, %.1f s%s\n", fault->name, steps, seconds() - begin,
           was_planted ? "" : ": it was never met");
    return false;
}

static int run_single(struct model *model, const char *conninfo, const struct options *options)
{
    const struct fault *fault = options->fault ? faults_find(options->fault) : NULL;
    if (options->fault && !fault) {
        fprintf(stderr, "model: no fault \"%s\": see --list\n", options->fault);
        return 2;
    }
    begin_run(model, conninfo, fault, options->seed);
    if (fault && fault->schema)
        watch_command(model->watch, fault->schema);
    model_run(model, options->steps);
    printf("seed %" PRIu64 ": %ld steps, %.0f s of the virtual clock\n", options->seed, model->step.number,
           (double)model->now_us / SECOND_US);
    if (model->violation.invariant)
        show(model);
    end_run(model);
    return model->violation.invariant != NULL;
}

static int run_all(struct model *model, const char *conninfo, const struct options *options)
{
    int passed = 0, failed = 0;
    bool is_clean = run_clean(model, conninfo, options);
    passed += is_clean;
    failed += !is_clean;
    for (size_t i = (size_t)options->part; i * (size_t)options->every < faults_count() && is_clean;
         i += (size_t)options->parts) {
        bool found = find_fault(model, conninfo, &faults[i * (size_t)options->every], options);
        passed += found;
        failed += !found;
        fflush(stdout);
    }
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}

static void list(void)
{
    for (size_t i = 0; i < faults_count(); i++)
        printf("%-48s %s\n", faults[i].name, faults[i].invariant);
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", 1, NULL, 's'},  {"seeds", 1, NULL, 'n'},   {"part", 1, NULL, 'p'},
        {"every", 1, NULL, 'e'}, {"steps", 1, NULL, 'm'},   {"fault", 1, NULL, 'f'},
        {"list", 0, NULL, 'l'},  {"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
    struct options options = {.seed = 1, .seeds = 20, .steps = 100000, .every = 1, .parts = 1};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) >= 0;) {
        if (option == 's')
            options.seed = strtoull(optarg, NULL, 10), options.is_single = true;
        else if (option == 'n')
            options.seeds = (int)strtol(optarg, NULL, 10);
        else if (option == 'p' && sscanf(optarg, "%d/%d", &options.part, &options.parts) == 2 &&
                 options.parts > 0)
            continue;
        else if (option == 'e')
            options.every = (int)strtol(optarg, NULL, 10);
        else if (option == 'm')
            options.steps = strtol(optarg, NULL, 10);
        else if (option == 'f')
            options.fault = optarg;
        else if (option == 'v')
            options.is_verbose = true;
        else if (option == 'l')
            list(), exit(0);
        else
            exit(2);
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);
    struct model *model = calloc(1, sizeof *model);
    struct mr_log log = mr_log_init("model", MR_LOG_CRITICAL);
    char name[64];
    snprintf(name, sizeof name, "model_%d", (int)getpid());
    char *conninfo = make_database(name);
    model->watch = open_migrated(conninfo);
    model->log = &log;
    model->is_verbose = options.is_verbose;
    begin_run(model, conninfo, NULL, options.seed);
    prove_clock(model);
    end_run(model);
    int result = options.is_single || options.fault ? run_single(model, conninfo, &options)
                                                    : run_all(model, conninfo, &options);
    watch_close(model->watch);
    drop_database(name);
    free(conninfo);
    free(model);
    return result;
}
