/* Pub/Sub as its users must expect it: at least once, in any order, late; and now and then a message is lost. */
#include "tests/model/faults.h"
#include "tests/model/model.h"

#include <inttypes.h>

enum {
    LOST_PERMILLE = 40,
    DOUBLED_PERMILLE = 200,
    DROPPED_PERMILLE = 700, /* of messages whose receiver died */
    LATE_US_MAX = 4 * SECOND_US,
    BACKOFF_US = SECOND_US,
    DELIVERIES_AT_ONCE = 40,
};

static void add(struct model *model, const struct mr_message *message)
{
    for (int i = 0; i < MESSAGES_MAX; i++)
        if (!model->queue[i].is_used) {
            model->queue[i] = (struct queued){
                .is_used = true,
                .message = *message,
                .next_us =
                    model->now_us + (model_random(model, 2) ? 0 : (int64_t)model_random(model, LATE_US_MAX)),
                .deliveries = model->queue[i].deliveries + 1000, /* no answer of an earlier message fits */
            };
            model->queue[i].deliveries -= model->queue[i].deliveries % 1000;
            return;
        }
    abort();
}

void queue_publish(struct model *model, const struct mr_message *message)
{
    invariants_check_message(model, message);
    if (!message->id && message->task_id < GHOSTS_MAX && message->generation < 60)
        model->ghosts[message->task_id].generations_published |= INT64_C(1) << message->generation;
    if (model_chance(model, LOST_PERMILLE)) {
        model_trace(model, " (message lost)");
        return;
    }
    add(model, message);
    if (model_chance(model, DOUBLED_PERMILLE))
        add(model, message);
}

bool queue_is_empty(const struct model *model)
{
    for (int i = 0; i < MESSAGES_MAX; i++)
        if (model->queue[i].is_used)
            return false;
    return true;
}

/* A delivery without an answer in time is repeated. */
static bool is_due(const struct model *model, const struct queued *queued)
{
    return queued->is_used && queued->next_us <= model->now_us &&
           (!queued->is_out || queued->deadline_us <= model->now_us);
}

int64_t queue_next_us(const struct model *model)
{
    int64_t next_us = INT64_MAX;
    for (int i = 0; i < MESSAGES_MAX; i++) {
        const struct queued *queued = &model->queue[i];
        int64_t us = queued->is_out ? queued->deadline_us : queued->next_us;
        if (queued->is_used && us < next_us)
            next_us = us;
    }
    return next_us;
}

static int draw_process(struct model *model, int first, int count)
{
    int number = first + (int)model_random(model, (uint64_t)count);
    const struct process *process = &model->processes[number];
    return process->down_until_us > model->now_us || process->is_stopping ? -1 : number;
}

bool queue_deliver(struct model *model)
{
    int due[MESSAGES_MAX], count = 0, out = 0;
    for (int i = 0; i < MESSAGES_MAX; i++) {
        out += model->queue[i].is_used && model->queue[i].is_out;
        if (is_due(model, &model->queue[i]))
            due[count++] = i;
    }
    if (!count || out > DELIVERIES_AT_ONCE)
        return false;
    int slot = due[model_random(model, (uint64_t)count)];
    struct queued *queued = &model->queue[slot];
    bool is_dead_letter = queued->deliveries % 1000 >= DELIVERIES_MAX;
    int process = is_dead_letter ? draw_process(model, 0, WEBS) : draw_process(model, WEBS, WORKERS);
    if (process < 0) {
        queued->next_us = model->now_us + BACKOFF_US;
        return true;
    }
    struct actor *actor = model_spawn(model, is_dead_letter ? ROLE_DEAD_LETTER : ROLE_PUSH, process,
                                      is_dead_letter ? dead_letter_run : push_run, NULL);
    if (!actor)
        return false;
    if (!is_dead_letter)
        queued->deliveries++;
    queued->is_out = true;
    queued->deadline_us = model->now_us + ACK_DEADLINE_S * INT64_C(1000000);
    actor->message = queued->message;
    actor->slot = slot;
    actor->delivery = queued->deliveries;
    model_trace(model, "deliver task %" PRId64 " generation %" PRId64 " id %" PRId64 " to process %d%s",
                queued->message.task_id, queued->message.generation, queued->message.id, process,
                is_dead_letter ? " as a dead letter" : "");
    return true;
}

/* 0: the connection broke. */
void queue_answer(struct model *model, const struct actor *actor, int http_status)
{
    struct queued *queued = &model->queue[actor->slot];
    bool is_ack = http_status >= 200 && http_status < 300;
    model_trace(model, " answer %d", http_status);
    if (is_ack)
        invariants_check_ack(model, actor);
    if (!queued->is_used || queued->deliveries != actor->delivery)
        return; /* it was delivered again meanwhile */
    if (is_ack || (!http_status && model_chance(model, DROPPED_PERMILLE))) {
        queued->is_used = false;
        return;
    }
    queued->is_out = false;
    queued->next_us = model->now_us + BACKOFF_US * (queued->deliveries % 1000);
}
