/* What must hold after every step, and at the end. */
#include "tests/model/rules.h"

#include <inttypes.h>

#define ADMITTED "an admitted task exists"
#define ORDERS   "one order makes one task"
#define RESULTS  "one result for each generation"
#define LEASES   "never two live leases"
#define OBJECTS  "each stored object has an owner or is in the ledger"
#define OWNED    "an owned object is stored, and not in the ledger"
#define OUTPUTS  "outputs belong to the commit"
#define MESSAGES "a message is published after its commit"
#define ACKS     "an acknowledged task is over, or owed"
#define WEBHOOKS "one webhook for each end"
#define SENDER   "one sender of a webhook at a time"
#define USAGE    "quotas count exactly"
#define CLEAN    "nothing is left behind"

static void check_new_task(struct model *model, const struct task_row *row)
{
    const struct actor *actor = model->step.actor;
    bool is_insert = model_ran(model, "tasks_insert") || model_ran(model, "tasks_insert_contested");
    if (!is_insert || !task_is(row, "uploaded") || row->generation != 1)
        model_violate(model, ADMITTED, "task %" PRId64 " appears by %s", row->id, model->step.statements[0]);
    for (int id = 1; id < GHOSTS_MAX; id++)
        if (model->ghosts[id].order == actor->order)
            model_violate(model, ORDERS, "tasks %d and %" PRId64 " are of order %d", id, row->id,
                          actor->order);
    model->ghosts[row->id].order = actor->order;
}

static void check_gone_task(struct model *model, const struct task_row *row)
{
    if (!model->ghosts[row->id].is_deleted || !model_ran(model, "tasks_delete"))
        model_violate(model, ADMITTED, "task %" PRId64 " is gone", row->id);
}

/* The names of outputs hold generation and fence of their commit. */
static void check_outputs(struct model *model, const struct task_row *row)
{
    char part[64], joined[64];
    snprintf(part, sizeof part, "/%" PRId64 "-%" PRId64 ".mp3", row->generation, row->fence);
    snprintf(joined, sizeof joined, "/%" PRId64 "-%" PRId64 "-join", row->generation, row->fence);
    if ((row->outputs > 0) != task_is(row, "processed") || row->outputs > 1)
        model_violate(model, OUTPUTS, "task %" PRId64 " is %s with %" PRId64 " outputs", row->id, row->status,
                      row->outputs);
    else if (row->outputs && !strstr(row->output, part) && !strstr(row->output, joined))
        model_violate(model, OUTPUTS, "task %" PRId64 " has %s, but its commit is %s", row->id, row->output,
                      part);
}

static void check_tasks(struct model *model)
{
    for (int i = 0; i < model->now.task_count; i++) {
        const struct task_row *after = &model->now.tasks[i];
        const struct task_row *before = snapshot_task(&model->before, after->id);
        if (!before)
            check_new_task(model, after);
        else if (memcmp(before, after, sizeof *after) != 0)
            task_rules_check(model, before, after);
        task_rules_check_debt(model, after);
        check_outputs(model, after);
        for (int g = 0; g < GENERATIONS_MAX; g++)
            if (model->ghosts[after->id].results[g] > 1)
                model_violate(model, RESULTS, "task %" PRId64 ", generation %d", after->id, g);
    }
    for (int i = 0; i < model->before.task_count; i++)
        if (!snapshot_task(&model->now, model->before.tasks[i].id))
            check_gone_task(model, &model->before.tasks[i]);
    for (int id = 1; id < GHOSTS_MAX; id++)
        if (model->ghosts[id].is_admitted && !model->ghosts[id].is_deleted && !snapshot_task(&model->now, id))
            model_violate(model, ADMITTED, "task %d has the answer 201", id);
}

static const struct delivery_row *delivery_of(const struct snapshot *snapshot, int64_t task,
                                              int64_t generation)
{
    for (int i = 0; i < snapshot->delivery_count; i++)
        if (snapshot->deliveries[i].task == task && snapshot->deliveries[i].generation == generation)
            return &snapshot->deliveries[i];
    return NULL;
}

static void check_change_of_delivery(struct model *model, const struct delivery_row *b,
                                     const struct delivery_row *a)
{
    const struct actor *actor = model->step.actor;
    bool is_claim = model_ran(model, "delivery_claim"), is_end = model_ran(model, "delivery_finish");
    bool is_live = strcmp(b->status, "sending") == 0 && b->lease_us >= model->now_us;
    if (model_ran(model, "deliveries_mark"))
        return;
    if (!is_claim && !is_end)
        model_violate(model, SENDER, "delivery %" PRId64 " is changed by %s", b->id,
                      model->step.statements[0]);
    if (is_claim && (is_live || a->fence != b->fence + 1))
        model_violate(model, SENDER, "delivery %" PRId64 " is claimed while it is sent", b->id);
    if (is_claim && strcmp(b->status, "pending") != 0 && strcmp(b->status, "sending") != 0)
        model_violate(model, WEBHOOKS, "delivery %" PRId64 " is %s, and claimed", b->id, b->status);
    const struct task_row *task = snapshot_task(&model->now, a->task);
    bool reports_end = task && task->generation == a->generation && task_is_final(task);
    if (is_claim && strcmp(a->status, "sending") == 0 && !reports_end)
        model_violate(model, "webhooks report ends",
                      "delivery %" PRId64 " is claimed, and its task runs again", b->id);
    if (is_end && (b->id != actor->delivery_id || b->fence != actor->delivery_fence))
        model_violate(model, SENDER, "delivery %" PRId64 " is ended by a worker that lost it", b->id);
    if (a->attempts > model->config.delivery_attempts || a->attempts > b->attempts + 1)
        model_violate(model, WEBHOOKS, "delivery %" PRId64 ": attempt %" PRId64, b->id, a->attempts);
}

/* The end of a task with a callback has its delivery in the same transaction. */
static void check_deliveries(struct model *model)
{
    for (int i = 0; i < model->now.task_count; i++) {
        const struct task_row *row = &model->now.tasks[i];
        bool is_owed = row->has_callback && (task_is(row, "processed") || task_is(row, "failed"));
        if (is_owed && row->generation < GENERATIONS_MAX)
            model->ghosts[row->id].has_ended[row->generation] = true;
        if (is_owed != (delivery_of(&model->now, row->id, row->generation) != NULL))
            model_violate(model, WEBHOOKS, "task %" PRId64 " is %s: its webhook is %s", row->id, row->status,
                          is_owed ? "missing" : "early");
    }
    for (int i = 0; i < model->now.delivery_count; i++) {
        const struct delivery_row *after = &model->now.deliveries[i];
        const struct delivery_row *before = snapshot_delivery(&model->before, after->id);
        if (before && memcmp(before, after, sizeof *after) != 0)
            check_change_of_delivery(model, before, after);
    }
}

static bool is_owned(const struct model *model, const char *name)
{
    for (int i = 0; i < model->now.task_count; i++)
        if (strcmp(model->now.tasks[i].input, name) == 0 || strcmp(model->now.tasks[i].output, name) == 0)
            return true;
    for (int i = 0; i < model->now.unit_count; i++)
        if (strcmp(model->now.units[i].object, name) == 0)
            return true;
    return false;
}

static void check_owned(struct model *model, int64_t task, const char *name)
{
    if (!name[0])
        return;
    if (!world_has(model, name))
        model_violate(model, OWNED, "%s of task %" PRId64 " is not there", name, task);
    if (snapshot_in_ledger(&model->now, name))
        model_violate(model, OWNED, "%s of task %" PRId64 " is in the ledger", name, task);
}

static void check_objects(struct model *model)
{
    for (int i = 0; i < model->object_count; i++)
        if (!is_owned(model, model->objects[i].name) &&
            !snapshot_in_ledger(&model->now, model->objects[i].name))
            model_violate(model, OBJECTS, "%s", model->objects[i].name);
    for (int i = 0; i < model->now.task_count; i++) {
        check_owned(model, model->now.tasks[i].id, model->now.tasks[i].input);
        check_owned(model, model->now.tasks[i].id, model->now.tasks[i].output);
    }
    for (int i = 0; i < model->now.unit_count; i++)
        check_owned(model, model->now.units[i].task, model->now.units[i].object);
}

static bool is_held(const struct model *model, const struct job *job)
{
    return !job->over && job->held_until_us > model->now_us;
}

static void check_leases(struct model *model)
{
    for (int i = 0; i < model->job_count; i++)
        for (int j = i + 1; j < model->job_count && is_held(model, &model->jobs[i]); j++) {
            const struct job *a = &model->jobs[i], *b = &model->jobs[j];
            if (is_held(model, b) && a->task == b->task && a->generation == b->generation &&
                a->unit == b->unit)
                model_violate(
                    model, LEASES, "task %" PRId64 ", unit %" PRId64 ", fences %" PRId64 " and %" PRId64,
                    a->task, a->unit, a->unit ? a->unit_fence : a->fence, b->unit ? b->unit_fence : b->fence);
        }
}

static void check_ack(struct model *model)
{
    const struct mr_message *message = &model->acked_message;
    const struct job *job = &model->acked_job;
    const struct task_row *row = snapshot_task(&model->now, message->task_id);
    if (!model->acked || message->id || !row || row->generation != message->generation ||
        task_is_final(row) || row->published_us < 0)
        return;
    bool is_taken_over = job->task == row->id && row->fence > job->fence;
    /* A dead letter does nothing to a task that runs: should its worker die, the sweep sees the expired lease. */
    is_taken_over |= model->step.actor->role == ROLE_DEAD_LETTER && task_is(row, "processing");
    /* The sweep may have paid the debt by now; or marked an earlier message late, which delays the task as a lost message. */
    bool was_owed = job->owed_us && row->published_us >= job->owed_us;
    /* A task that was cut is worked on by its units. */
    is_taken_over |= snapshot_unit(&model->now, row->id, 1) != NULL;
    if (!is_taken_over && !was_owed && !job->is_unsure)
        model_violate(model, ACKS, "task %" PRId64 " is %s", row->id, row->status);
}

void invariants_check_ack(struct model *model, const struct actor *actor)
{
    model->acked = actor;
    model->acked_message = actor->message;
    model->acked_job = actor->job ? *actor->job : (struct job){0};
}

void invariants_check_message(struct model *model, const struct mr_message *message)
{
    const struct task_row *row = snapshot_task(&model->now, message->task_id);
    bool is_known = message->task_id < GHOSTS_MAX && model->ghosts[message->task_id].is_deleted;
    if (message->id)
        return;
    if (!row ? !is_known : row->generation < message->generation)
        model_violate(model, MESSAGES, "task %" PRId64 ", generation %" PRId64, message->task_id,
                      message->generation);
}

void invariants_check(struct model *model)
{
    if (model->step.statement_count) {
        model->before = model->now;
        watch_look(model->watch, &model->now);
        check_tasks(model);
        check_deliveries(model);
        unit_rules_check(model);
        if (!model->now.usage_is_exact)
            model_violate(model, USAGE, "user_usage differs after %s", model->step.statements[0]);
    }
    check_leases(model);
    check_objects(model);
    check_ack(model);
}

static void check_webhooks_at_end(struct model *model, const struct task_row *row)
{
    const struct delivery_row *delivery = delivery_of(&model->now, row->id, row->generation);
    if (!delivery || row->generation >= GENERATIONS_MAX)
        return;
    bool was_received = model->ghosts[row->id].webhooks[row->generation] > 0;
    if (strcmp(delivery->status, "sent") == 0 && !was_received)
        model_violate(model, WEBHOOKS, "task %" PRId64 ": sent, but not received", row->id);
    if (strcmp(delivery->status, "sent") != 0 && strcmp(delivery->status, "failed") != 0)
        model_violate(model, WEBHOOKS, "task %" PRId64 ": %s at the end", row->id, delivery->status);
}

void invariants_check_end(struct model *model)
{
    for (int i = 0; i < model->now.task_count; i++)
        check_webhooks_at_end(model, &model->now.tasks[i]);
    if (model->now.ledger_count)
        model_violate(model, CLEAN, "%s is in the ledger after days", model->now.ledger[0]);
    for (int i = 0; i < model->object_count; i++)
        if (!is_owned(model, model->objects[i].name))
            model_violate(model, CLEAN, "%s is stored after days", model->objects[i].name);
}
