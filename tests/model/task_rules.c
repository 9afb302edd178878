/* What each statement may do to the row of a task: docs/architecture.md as rules, by the name of the statement. */
#include "shared/data/units.h"
#include "tests/model/rules.h"

#include <inttypes.h>

#define HOLDER     "only the holder of the lease ends a run"
#define CLAIM      "a claim needs a free task"
#define FENCE      "each claim raises the fence"
#define GENERATION "only PUT and an operator make a generation"
#define FINAL      "final states stay"
#define STATES     "states follow the table"
#define COUNTS     "runs are counted by whose doing they were"
#define LIMITS     "limits end a task"
#define OUTBOX     "only a published message is marked"
#define OWNERS     "each column has its statements"
#define EVENTS     "each visible change has an event"

static bool is_live(const struct model *model, const struct task_row *row)
{
    return task_is(row, "processing") && row->lease_us >= model->now_us;
}

static int64_t ended_by_machine(const struct task_row *row)
{
    return task_is(row, "processing") && row->is_started;
}

/* As struct mr_lease_terms says. */
static bool is_over_limits(const struct model *model, const struct task_row *row)
{
    const int64_t more = ended_by_machine(row);
    return row->kills >= 3 || row->attempts - row->interruptions - more >= model->config.max_attempts ||
           row->interruptions + more >= model->config.max_interruptions ||
           row->stops >= model->config.max_stops;
}

static bool is_old(const struct model *model, const struct task_row *row)
{
    return row->queued_us < model->now_us - model->config.give_up_s * INT64_C(1000000);
}

static void expect_counts(struct model *model, const struct task_row *b, const struct task_row *a,
                          const int64_t more[4], bool is_started)
{
    if (a->attempts != b->attempts + more[0] || a->interruptions != b->interruptions + more[1] ||
        a->kills != b->kills + more[2] || a->stops != b->stops + more[3] || a->is_started != is_started)
        model_violate(model, COUNTS,
                      "task %" PRId64 ": attempts %" PRId64 " → %" PRId64 ", interruptions %" PRId64
                      " → %" PRId64 ", kills %" PRId64 " → %" PRId64 ", stops %" PRId64 " → %" PRId64
                      ", started %d → %d",
                      b->id, b->attempts, a->attempts, b->interruptions, a->interruptions, b->kills, a->kills,
                      b->stops, a->stops, b->is_started, a->is_started);
}

static void expect(struct model *model, bool is_right, const char *invariant, const struct task_row *b,
                   const struct task_row *a, const char *what)
{
    if (!is_right)
        model_violate(model, invariant,
                      "task %" PRId64 " (%s, generation %" PRId64 ", fence %" PRId64
                      ") becomes %s, generation %" PRId64 ", fence %" PRId64 ": %s",
                      b->id, b->status, b->generation, b->fence, a->status, a->generation, a->fence, what);
}

static void rule_claim(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const struct actor *actor = model->step.actor;
    bool repeats = task_is(b, "processing") && strcmp(b->claim_id, actor->claim_id) == 0;
    expect(model, a->fence == b->fence + 1, FENCE, b, a, "claimed");
    expect(model, b->generation == actor->message.generation, GENERATION, b, a,
           "claimed by a message of another");
    expect(model, task_is(b, "uploaded") || repeats || (task_is(b, "processing") && !is_live(model, b)),
           CLAIM, b, a, "it was not free");
    expect(model, !is_over_limits(model, b), LIMITS, b, a, "claimed beyond a limit");
    expect(model, a->lease_us == model->now_us + LEASE_S * INT64_C(1000000), OWNERS, b, a,
           "length of the lease");
    expect_counts(model, b, a, (const int64_t[]){0, ended_by_machine(b), 0, 0}, false);
}

static void rule_exhaust(struct model *model, const struct task_row *b, const struct task_row *a)
{
    bool is_lost_early = task_is(b, "processing") && !b->is_started && is_old(model, b);
    expect(model, !is_live(model, b), CLAIM, b, a, "failed under a live lease");
    expect(model, is_over_limits(model, b) || is_lost_early, LIMITS, b, a, "no limit was reached");
    expect_counts(model, b, a, (const int64_t[]){0, 0, 0, 0}, b->is_started);
}

static void rule_start(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect_counts(model, b, a, (const int64_t[]){!b->is_started, 0, 0, 0}, true);
}

/* One that comes late, of a job that has cut its task, leaves the lease of the plan as it is. */
static void rule_heartbeat(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const int64_t lease_us =
        snapshot_unit(&model->before, b->id, 1) ? b->lease_us : model->now_us + LEASE_S * INT64_C(1000000);
    expect(model, a->lease_us == lease_us, OWNERS, b, a, "length of the lease");
    expect_counts(model, b, a, (const int64_t[]){0, 0, 0, 0}, b->is_started);
}

/* One of a unit that has its lease. */
static void expect_unit(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, unit_rules_is_held(&model->before, model->step.actor->job), HOLDER, b, a,
           "by a unit that is not held");
}

static void rule_commit(struct model *model, const struct task_row *b, const struct task_row *a)
{
    if (model->step.actor->job->unit)
        expect_unit(model, b, a);
    expect(model, b->is_started, COUNTS, b, a, "a result of work that was not counted");
    expect_counts(model, b, a, (const int64_t[]){0, 0, 0, 0}, b->is_started);
    if (b->generation < GENERATIONS_MAX)
        model->ghosts[b->id].results[b->generation]++;
}

static void rule_fail(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const struct job *job = model->step.actor->job;
    bool is_last = job->is_remote && b->attempts - b->interruptions >= model->config.max_attempts;
    /* The age goes by the worker's clock, from before the statement. */
    bool is_aged = b->queued_us <= model->now_us - model->config.give_up_s * INT64_C(1000000);
    expect(model, job->is_verdict || is_last || is_aged, LIMITS, b, a,
           "no verdict, and no limit was reached");
    expect_counts(model, b, a, (const int64_t[]){0, 0, 0, 0}, b->is_started);
}

static void rule_release(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const int64_t run = b->is_started;
    const struct job *job = model->step.actor->job;
    bool is_kill = job->reason == MR_RELEASE_KILL || job->reason == MR_RELEASE_KILL_FULL;
    expect_counts(model, b, a,
                  (const int64_t[]){is_kill ? 0 : -run, is_kill ? run : 0,
                                    job->reason == MR_RELEASE_KILL_FULL ? run : 0,
                                    job->reason == MR_RELEASE_STOP},
                  false);
}

static void rule_defer(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect_counts(model, b, a, (const int64_t[]){!b->is_started, 0, 0, 0}, false);
    expect(model, a->published_us < 0, OWNERS, b, a, "put off without a message that is owed");
}

static void rule_same(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect_counts(model, b, a, (const int64_t[]){0, 0, 0, 0}, b->is_started);
}

/* How long a plan may stand still. */
static void expect_plan(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, a->lease_us == model->now_us + MR_UNITS_HOLD_S * INT64_C(1000000), OWNERS, b, a,
           "length of the plan's lease");
    rule_same(model, b, a);
}

static void rule_unit_fail(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect_unit(model, b, a);
    rule_fail(model, b, a);
}

static void rule_give_up(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect_unit(model, b, a);
    expect_counts(model, b, a, (const int64_t[]){-(int64_t)b->is_started, 0, 0, 0}, false);
}

static void rule_unit_exhaust(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const struct mr_message *message = &model->step.actor->message;
    const struct unit_row *unit = snapshot_unit(&model->before, message->task_id, message->id);
    bool is_over =
        unit && unit->plan == b->fence && unit->lease_us < model->now_us &&
        (unit->attempts >= model->config.max_interruptions || unit->stops >= model->config.max_stops);
    expect(model, is_over, LIMITS, b, a, "no limit of the unit was reached");
    rule_same(model, b, a);
}

static void rule_requeue(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, a->id == model->step.actor->task, OWNERS, b, a, "another task than the operator's");
    expect(model, !is_live(model, b), CLAIM, b, a, "requeued under a live lease");
    expect(model, task_is(b, "failed") || !task_is_final(b), FINAL, b, a, "requeued after its end");
    expect(model, a->generation == b->generation + 1, GENERATION, b, a, "requeue");
    expect(model, task_is(a, "uploaded") && a->published_us < 0, OUTBOX, b, a, "requeue owes a message");
    expect_counts(model, b, a, (const int64_t[]){-b->attempts, -b->interruptions, -b->kills, -b->stops},
                  false);
}

static void rule_redo(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, a->id == model->step.actor->task, OWNERS, b, a, "another task than the client's");
    expect(model, a->generation == b->generation + 1, GENERATION, b, a, "PUT");
    expect(model, task_is(a, "uploaded") && a->published_us < 0, OUTBOX, b, a, "PUT owes a message");
    expect(model, a->outputs == 0, OWNERS, b, a, "PUT leaves outputs");
    expect_counts(model, b, a, (const int64_t[]){-b->attempts, -b->interruptions, -b->kills, -b->stops},
                  false);
}

static void rule_cancel(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, a->id == model->step.actor->task, OWNERS, b, a, "another task than the client's");
    expect(model, !task_is_final(b), FINAL, b, a, "canceled after its end");
    rule_same(model, b, a);
}

static void rule_put_off(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, task_is(b, "uploaded") && task_is(a, "uploaded") && a->published_us < 0, OWNERS, b, a,
           "a waiting task becomes owed");
    rule_same(model, b, a);
}

static void rule_dead_letter(struct model *model, const struct task_row *b, const struct task_row *a)
{
    expect(model, !is_live(model, b), CLAIM, b, a, "failed under a live lease");
    expect(model, is_old(model, b), LIMITS, b, a, "failed before its time");
    rule_same(model, b, a);
}

/* status: what the row may become; needs_lease: by the job that has claimed it. A statement that is not here changes no task. */
static const struct rule {
    const char *statement, *status;
    bool needs_lease, marks, owes, raises_fence;
    void (*check)(struct model *model, const struct task_row *before, const struct task_row *after);
} rules[] = {
    {.statement = "lease_claim", .status = "processing", .raises_fence = true, .check = rule_claim},
    {.statement = "lease_exhaust", .status = "failed", .check = rule_exhaust},
    {.statement = "lease_start", .status = "processing", .needs_lease = true, .check = rule_start},
    {.statement = "lease_heartbeat", .status = "processing", .needs_lease = true, .check = rule_heartbeat},
    {.statement = "lease_set_input", .status = "processing", .needs_lease = true, .check = rule_same},
    {.statement = "lease_commit", .status = "processed", .needs_lease = true, .check = rule_commit},
    {.statement = "lease_fail", .status = "failed", .needs_lease = true, .check = rule_fail},
    {.statement = "lease_release", .status = "uploaded", .needs_lease = true, .check = rule_release},
    {.statement = "lease_defer",
     .status = "uploaded",
     .needs_lease = true,
     .owes = true,
     .check = rule_defer},
    {.statement = "units_make", .status = "processing", .needs_lease = true, .check = expect_plan},
    {.statement = "units_show", .status = "processing", .needs_lease = true, .check = expect_plan},
    {.statement = "unit_fail", .status = "failed", .needs_lease = true, .check = rule_unit_fail},
    {.statement = "unit_exhaust", .status = "failed", .check = rule_unit_exhaust},
    {.statement = "units_give_up",
     .status = "uploaded",
     .needs_lease = true,
     .owes = true,
     .check = rule_give_up},
    {.statement = "tasks_redo", .status = "uploaded", .owes = true, .check = rule_redo},
    {.statement = "operators_requeue", .status = "uploaded", .owes = true, .check = rule_requeue},
    {.statement = "tasks_cancel", .status = "canceled", .check = rule_cancel},
    {.statement = "outbox_recover", .status = "uploaded", .owes = true, .check = rule_put_off},
    {.statement = "outbox_mark", .marks = true, .check = rule_same},
    {.statement = "waiting_recall", .marks = true, .check = rule_same},
    {.statement = "waiting_put_off", .status = "uploaded", .owes = true, .check = rule_put_off},
    {.statement = "dead_letter_again", .status = "uploaded", .owes = true, .check = rule_put_off},
    {.statement = "dead_letter_fail", .status = "failed", .check = rule_dead_letter},
};

static const struct rule *find_rule(const struct model *model)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (model_ran(model, rules[i].statement))
            return &rules[i];
    return NULL;
}

static void check_holder(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const struct job *job = model->step.actor->job;
    bool is_holder = job && job->task == b->id && job->generation == b->generation &&
                     job->fence == b->fence && task_is(b, "processing");
    expect(model, is_holder, HOLDER, b, a, "changed by a job that does not hold its lease");
}

static bool may_follow(const struct task_row *b, const struct task_row *a)
{
    static const char *const table[][2] = {{"uploaded", "processing"}, {"uploaded", "failed"},
                                           {"uploaded", "canceled"},   {"processing", "processed"},
                                           {"processing", "failed"},   {"processing", "canceled"},
                                           {"processing", "uploaded"}, {"processed", "uploaded"},
                                           {"failed", "uploaded"},     {"canceled", "uploaded"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (task_is(b, table[i][0]) && task_is(a, table[i][1]))
            return true;
    return strcmp(b->status, a->status) == 0;
}

static void check_outbox(struct model *model, const struct rule *rule, const struct task_row *b,
                         const struct task_row *a)
{
    if (a->published_us == b->published_us)
        return;
    if (a->published_us < 0) {
        expect(model, rule && rule->owes, OUTBOX, b, a, "a message is owed again");
        return;
    }
    bool is_published = model->ghosts[b->id].generations_published & INT64_C(1) << b->generation;
    expect(model, rule && rule->marks && is_published, OUTBOX, b, a,
           "marked, but no message of this generation exists");
}

/* A waiting task that looks published is, or a batch owes its message. */
void task_rules_check_debt(struct model *model, const struct task_row *row)
{
    bool is_published = model->ghosts[row->id].generations_published & INT64_C(1) << row->generation;
    bool waits = task_is(row, "uploaded") && row->published_us >= 0;
    expect(model, !waits || is_published || row->is_owed, OUTBOX, row, row,
           "no message of this generation exists, and none is owed");
}

static bool looks_different(const struct task_row *b, const struct task_row *a)
{
    return strcmp(b->status, a->status) != 0 || a->generation != b->generation || a->progress != b->progress;
}

void task_rules_check(struct model *model, const struct task_row *b, const struct task_row *a)
{
    const struct rule *rule = find_rule(model);
    bool is_redo = model_ran(model, "tasks_redo") || model_ran(model, "operators_requeue");
    struct task_row same = *a;
    expect(model, is_redo || !task_is_final(b) || strcmp(b->status, a->status) == 0, FINAL, b, a,
           "it was final");
    expect(model, is_redo || a->generation == b->generation, GENERATION, b, a, "without PUT or requeue");
    expect(model, may_follow(b, a), STATES, b, a, "not in the table");
    check_outbox(model, rule, b, a);
    same.published_us = b->published_us;
    same.is_owed = b->is_owed;
    if (memcmp(&same, b, sizeof same) == 0)
        return;
    expect(model, rule && !rule->marks, OWNERS, b, a,
           model->step.statement_count ? model->step.statements[0] : "no statement");
    if (!rule || rule->marks)
        return;
    if (rule->needs_lease)
        check_holder(model, b, a);
    expect(model, task_is(a, rule->status), STATES, b, a, rule->statement);
    expect(model, rule->raises_fence || a->fence == b->fence, FENCE, b, a, rule->statement);
    expect(model, !looks_different(b, a) || a->event_id > b->event_id, EVENTS, b, a, rule->statement);
    if (!model->violation.invariant)
        rule->check(model, b, a);
}
