/* What each statement may do to a unit of a task that was cut (shared/data/units.h): docs/decisions/0010-units.md as rules. */
#include "tests/model/rules.h"

#include <inttypes.h>

#define PLAN   "a plan belongs to the lease that made it"
#define CLAIM  "a claim needs a free unit"
#define FENCE  "each claim raises the fence"
#define HOLDER "only the holder of the lease ends a run"
#define LIMITS "limits end a task"
#define ORDER  "a unit begins when what it waits for is done"
#define OWNERS "each column has its statements"
#define RESULT "a unit that is done has its object"

static void expect(struct model *model, bool is_right, const char *invariant, const struct unit_row *row,
                   const char *what)
{
    if (!is_right)
        model_violate(model, invariant,
                      "unit %" PRId64 " (%s, %s, fence %" PRId64 ") of task %" PRId64 ", plan %" PRId64
                      ": %s, by %s",
                      row->n, row->kind, row->state, row->fence, row->task, row->plan, what,
                      model->step.statement_count ? model->step.statements[0] : "no statement");
}

static bool is_state(const struct unit_row *row, const char *state)
{
    return strcmp(row->state, state) == 0;
}

static bool is_kind(const struct unit_row *row, const char *kind)
{
    return strcmp(row->kind, kind) == 0;
}

/* Whether all units of the task that a unit waits for have this state. */
static bool others_are(const struct model *model, const struct unit_row *row, bool audio_only,
                       const char *state)
{
    for (int i = 0; i < model->now.unit_count; i++) {
        const struct unit_row *other = &model->now.units[i];
        if (other->task == row->task && other->n != row->n && !is_state(other, state) &&
            (!audio_only || is_kind(other, "audio")))
            return false;
    }
    return true;
}

static void check_row(struct model *model, const struct unit_row *row)
{
    const struct task_row *task = snapshot_task(&model->now, row->task);
    const bool is_open = is_state(row, "waiting") || is_state(row, "running");
    const bool has_object = is_state(row, "done") && (is_kind(row, "video") || is_kind(row, "audio"));
    expect(model, task && task_is(task, "processing") && task->fence == row->plan, PLAN, row,
           task ? task->status : "task is gone");
    if (is_kind(row, "join"))
        expect(model, !is_open || others_are(model, row, false, "done"), ORDER, row,
               "not all others are done");
    if (is_kind(row, "level"))
        expect(model,
               !is_open || others_are(model, row, true, "blocked") || others_are(model, row, true, "done"),
               ORDER, row, "units of audio are neither blocked nor done");
    expect(model, (row->object[0] != '\0') == has_object, RESULT, row, row->object);
}

bool unit_rules_is_held(const struct snapshot *snapshot, const struct job *job)
{
    const struct unit_row *row = job ? snapshot_unit(snapshot, job->task, job->unit) : NULL;
    return row && is_state(row, "running") && row->plan == job->fence && row->fence == job->unit_fence;
}

static void rule_claim(struct model *model, const struct unit_row *b, const struct unit_row *a)
{
    const struct actor *actor = model->step.actor;
    const bool repeats = strcmp(b->claim_id, actor->claim_id) == 0;
    const bool is_free = is_state(b, "waiting") || (is_state(b, "running") && b->lease_us < model->now_us);
    expect(model, b->task == actor->message.task_id && b->n == actor->message.id, OWNERS, b,
           "another is claimed");
    expect(model, is_free || repeats, CLAIM, b, "it was not free");
    expect(model, a->fence == b->fence + !repeats && a->attempts == b->attempts + !repeats, FENCE, b,
           "claimed");
    expect(model,
           repeats || (b->attempts < model->config.max_interruptions && b->stops < model->config.max_stops),
           LIMITS, b, "claimed beyond a limit");
    expect(model, is_state(a, "running") && a->lease_us == model->now_us + LEASE_S * INT64_C(1000000), OWNERS,
           b, "length of the lease");
}

static bool is_mine(const struct model *model, const struct unit_row *row)
{
    const struct job *job = model->step.actor->job;
    return job && job->task == row->task && job->unit == row->n;
}

/* A row that changes because another unit's run ended: it is freed, or begins again. */
static void rule_of_others(struct model *model, const struct unit_row *b, const struct unit_row *a)
{
    expect(model, unit_rules_is_held(&model->before, model->step.actor->job), HOLDER, b,
           "freed by one that lost");
    expect(model, a->fence == b->fence && !is_state(b, "running"), HOLDER, b, "taken from one that runs");
    if (model_ran(model, "unit_finish"))
        expect(model, is_state(b, "blocked") && a->waits_for == b->waits_for - 1, ORDER, b, "counted down");
}

static void rule_run(struct model *model, const struct unit_row *b, const struct unit_row *a)
{
    if (!is_mine(model, b)) {
        rule_of_others(model, b, a);
        return;
    }
    expect(model, unit_rules_is_held(&model->before, model->step.actor->job), HOLDER, b, "it was not held");
    expect(model, a->fence == b->fence, FENCE, b, "changed");
    expect(model, a->attempts <= b->attempts && a->attempts >= 0, OWNERS, b, "attempts rise at a claim only");
}

static const struct rule {
    const char *statement;
    void (*check)(struct model *model, const struct unit_row *before, const struct unit_row *after);
} rules[] = {{"unit_claim", rule_claim},
             {"unit_heartbeat", rule_run},
             {"unit_finish", rule_run},
             {"unit_level", rule_run},
             {"unit_release", rule_run}};

static void check_change(struct model *model, const struct unit_row *b, const struct unit_row *a)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (model_ran(model, rules[i].statement)) {
            rules[i].check(model, b, a);
            return;
        }
    expect(model, false, OWNERS, b, "changed");
}

/* They go when their task ends, is claimed again or has a new generation. */
static void check_gone(struct model *model, const struct unit_row *row)
{
    const struct task_row *task = snapshot_task(&model->now, row->task);
    expect(model, !task || !task_is(task, "processing") || task->fence != row->plan, PLAN, row, "it is gone");
}

void unit_rules_check(struct model *model)
{
    for (int i = 0; i < model->now.unit_count; i++) {
        const struct unit_row *after = &model->now.units[i];
        const struct unit_row *before = snapshot_unit(&model->before, after->task, after->n);
        const bool is_new = !before || before->plan != after->plan;
        check_row(model, after);
        if (is_new)
            expect(model, model_ran(model, "units_make"), OWNERS, after, "it appears");
        else if (memcmp(before, after, sizeof *after) != 0)
            check_change(model, before, after);
    }
    for (int i = 0; i < model->before.unit_count; i++)
        if (!snapshot_unit(&model->now, model->before.units[i].task, model->before.units[i].n))
            check_gone(model, &model->before.units[i]);
}
