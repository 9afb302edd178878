/* Actors are coroutines; the scheduler draws whose step is next, lets processes die, and moves the clock. */
#include "tests/model/model.h"

#include <inttypes.h>
#include <stdarg.h>

enum {
    STACK_BYTES = 256 << 10,
    STEP_US_MAX = 120000,
    KILL_PERMILLE = 3,
    STOP_PERMILLE = 2,
    FREEZE_PERMILLE = 6,
    DOWN_US_MAX = 5 * SECOND_US,
    FROZEN_US_MAX = 60 * SECOND_US,
    LONG_FREEZE_US = 60 * SECOND_US, /* more, now and then: longer than the lease of a webhook */
    END_S = 3 * 3600,                /* how long the quiet phase may last until everything is final */
    AFTERMATH_S = 3 * 86400,         /* then what was left in the ledger is due */
};

struct model *the_model;
static struct actor *running; /* the coroutine that runs */

uint64_t model_random(struct model *model, uint64_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (model->random * UINT64_C(0x2545F4914F6CDD1D) >> 11) % below;
}

bool model_chance(struct model *model, int permille)
{
    return !model->is_quiet && (int)model_random(model, 1000) < permille;
}

struct actor *model_actor(void)
{
    return running;
}

struct process *model_process(struct model *model, const struct actor *actor)
{
    return &model->processes[actor->process];
}

bool model_ran(const struct model *model, const char *statement)
{
    for (int i = 0; i < model->step.statement_count; i++)
        if (strcmp(model->step.statements[i], statement) == 0)
            return true;
    return false;
}

void model_trace(struct model *model, const char *format, ...)
{
    char *line = model->trace[model->step.number % TRACE_LINES];
    size_t len = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + len, TRACE_COLUMNS - len, format, args);
    va_end(args);
}

void model_violate(struct model *model, const char *invariant, const char *format, ...)
{
    if (model->violation.invariant)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(model->violation.detail, sizeof model->violation.detail, format, args);
    va_end(args);
    model->violation.invariant = invariant;
}

static void enter(void)
{
    struct actor *self = running;
    self->run(the_model, self);
    self->is_done = true;
    swapcontext(&self->context, &the_model->scheduler);
}

static void make_context(struct actor *actor)
{
    getcontext(&actor->context);
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&actor->context, enter, 0);
}

struct actor *model_spawn(struct model *model, enum role role, int process, actor_run *run, void *arg)
{
    struct actor *actor = model->actors;
    while (actor < model->actors + ACTORS_MAX && actor->is_used)
        actor++;
    if (actor == model->actors + ACTORS_MAX)
        return NULL;
    *actor = (struct actor){.is_used = true,
                            .role = role,
                            .process = process,
                            .run = run,
                            .arg = arg,
                            .wake_us = model->now_us,
                            .stack = actor->stack ? actor->stack : malloc(STACK_BYTES)};
    make_context(actor);
    return actor;
}

void model_free_stacks(struct model *model)
{
    for (int i = 0; i < ACTORS_MAX; i++)
        free(MR_TAKE(model->actors[i].stack));
}

void model_wait(struct model *model, int64_t us)
{
    struct actor *self = running;
    if (self->is_dead)
        return;
    self->wake_us = model->now_us + us;
    swapcontext(&self->context, &model->scheduler);
}

bool model_turn(struct model *model)
{
    model_wait(model, 0);
    return !running->is_dead;
}

static void resume(struct model *model, struct actor *actor)
{
    running = actor;
    swapcontext(&model->scheduler, &actor->context);
    running = NULL;
    if (actor->is_done)
        actor->is_used = false;
}

/* A dead actor does nothing any more, but it frees what it owns. Those that wait for each other need some rounds. */
static void kill_process(struct model *model, int number)
{
    struct process *process = &model->processes[number];
    bool any = true;
    model_trace(model, " [process %d dies]", number);
    for (int i = 0; i < ACTORS_MAX; i++)
        if (model->actors[i].is_used && model->actors[i].process == number) {
            model->actors[i].is_dead = true;
            if (model->actors[i].job)
                model->actors[i].job->over = true;
        }
    while (any) {
        any = false;
        for (int i = 0; i < ACTORS_MAX; i++)
            if (model->actors[i].is_used && model->actors[i].process == number) {
                resume(model, &model->actors[i]);
                any = true;
            }
    }
    *process = (struct process){.is_worker = process->is_worker,
                                .down_until_us = model->now_us + (int64_t)model_random(model, DOWN_US_MAX)};
}

/* A worker that was told to stop gives its work back, and ends. */
static void end_stopped(struct model *model)
{
    for (int p = 0; p < PROCESSES; p++) {
        bool has_work = false;
        for (int i = 0; i < ACTORS_MAX; i++)
            has_work |= model->actors[i].is_used && model->actors[i].process == p;
        if (model->processes[p].is_stopping && !has_work)
            kill_process(model, p);
    }
}

static void break_something(struct model *model)
{
    int number = (int)model_random(model, PROCESSES);
    struct process *process = &model->processes[number];
    if (process->down_until_us > model->now_us)
        return;
    if (model_chance(model, KILL_PERMILLE)) {
        kill_process(model, number);
    } else if (process->is_worker && model_chance(model, STOP_PERMILLE)) {
        process->is_stopping = true;
        model_trace(model, " [process %d is told to stop]", number);
    } else if (model_chance(model, FREEZE_PERMILLE)) {
        int64_t us = (int64_t)model_random(model, FROZEN_US_MAX);
        process->frozen_until_us = model->now_us + us + (model_random(model, 4) ? 0 : LONG_FREEZE_US);
        model_trace(model, " [process %d is frozen]", number);
    }
}

static bool can_run(const struct model *model, const struct actor *actor)
{
    const struct process *process = &model->processes[actor->process];
    return actor->is_used && actor->wake_us <= model->now_us && process->frozen_until_us <= model->now_us;
}

static struct actor *draw_actor(struct model *model)
{
    struct actor *ready[ACTORS_MAX];
    size_t count = 0;
    for (int i = 0; i < ACTORS_MAX; i++)
        if (can_run(model, &model->actors[i]))
            ready[count++] = &model->actors[i];
    return count ? ready[model_random(model, count)] : NULL;
}

/* Nobody can run now: to the next moment at which somebody can. */
static void skip_time(struct model *model)
{
    int64_t next_us = queue_next_us(model);
    for (int i = 0; i < ACTORS_MAX; i++) {
        const struct actor *actor = &model->actors[i];
        if (!actor->is_used)
            continue;
        int64_t frozen_us = model->processes[actor->process].frozen_until_us;
        int64_t wake_us = actor->wake_us > frozen_us ? actor->wake_us : frozen_us;
        if (wake_us < next_us)
            next_us = wake_us;
    }
    model->now_us = next_us > model->now_us && next_us < INT64_MAX ? next_us : model->now_us + SECOND_US;
}

static int count_role(const struct model *model, enum role role)
{
    int count = 0;
    for (int i = 0; i < ACTORS_MAX; i++)
        count += model->actors[i].is_used && model->actors[i].role == role;
    return count;
}

/* Clients and the scheduler of the sweep turn to an instance of web that runs. */
static void keep_clients(struct model *model)
{
    int web = (int)model_random(model, WEBS);
    if (model->processes[web].down_until_us > model->now_us)
        return;
    if (count_role(model, ROLE_SWEEP) == 0)
        model_spawn(model, ROLE_SWEEP, web, sweep_run, NULL);
    int worker = WEBS + (int)model_random(model, WORKERS);
    if (count_role(model, ROLE_RECALL) == 0 && model->processes[worker].down_until_us <= model->now_us &&
        !model->processes[worker].is_stopping)
        model_spawn(model, ROLE_RECALL, worker, recall_run, NULL);
    if (!model->is_quiet && count_role(model, ROLE_CLIENT) < CLIENTS)
        model_spawn(model, ROLE_CLIENT, web, client_run, NULL);
}

static void begin_step(struct model *model)
{
    model->step.number++;
    model->step.statement_count = 0;
    model->step.actor = NULL;
    model->acked = NULL;
    model->crash = -1;
    model->now_us += (int64_t)model_random(model, STEP_US_MAX);
    char *line = model->trace[model->step.number % TRACE_LINES];
    snprintf(line, TRACE_COLUMNS, "%5ld %9.3f s ", model->step.number, (double)model->now_us / SECOND_US);
}

static void show_step(struct model *model)
{
    if (model->is_verbose)
        printf("%s\n", model->trace[model->step.number % TRACE_LINES]);
}

static void one_step(struct model *model)
{
    static const char *const roles[] = {"client", "sweep", "push", "heartbeat", "dead letter", "recall"};
    begin_step(model);
    break_something(model);
    end_stopped(model);
    keep_clients(model);
    struct actor *actor = draw_actor(model);
    bool delivers = !actor || model_random(model, 4) == 0;
    if (delivers && queue_deliver(model)) {
        show_step(model);
        return;
    }
    if (!actor) {
        skip_time(model);
        return;
    }
    model->step.actor = actor;
    model_trace(model, "%s@%d", roles[actor->role], actor->process);
    resume(model, actor);
    invariants_check(model);
    show_step(model);
    if (model->crash >= 0)
        kill_process(model, model->crash);
}

static bool is_all_over(struct model *model)
{
    for (int i = 0; i < model->now.task_count; i++)
        if (!task_is_final(&model->now.tasks[i]))
            return false;
    for (int i = 0; i < model->now.delivery_count; i++)
        if (strcmp(model->now.deliveries[i].status, "pending") == 0 ||
            strcmp(model->now.deliveries[i].status, "sending") == 0)
            return false;
    return count_role(model, ROLE_CLIENT) == 0 && queue_is_empty(model);
}

void model_run(struct model *model, long steps)
{
    int64_t end_us = model->quiet_us + END_S * INT64_C(1000000);
    while (!model->violation.invariant && model->step.number < steps) {
        model->is_quiet = model->now_us > model->quiet_us;
        one_step(model);
        if (model->is_quiet && is_all_over(model))
            break;
        if (model->now_us > end_us)
            model_violate(model, "everything ends",
                          "a task, a delivery or a message is left after hours without faults");
    }
    if (model->violation.invariant || model->step.number >= steps)
        return;
    model->now_us += AFTERMATH_S * INT64_C(1000000);
    end_us = model->now_us + 600 * INT64_C(1000000);
    while (!model->violation.invariant && model->now_us < end_us)
        one_step(model);
    invariants_check_end(model);
}
