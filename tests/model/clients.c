/* Clients of web, and what web does for them: as web/admission.c and web/api/ do it. The sweep is the product's own. */
#include "shared/base/encoding.h"
#include "shared/data/dead_letters.h"
#include "shared/data/idempotency.h"
#include "shared/data/object_names.h"
#include "shared/data/operators.h"
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/tasks.h"
#include "shared/gcp/storage.h"
#include "tests/model/faults.h"
#include "tests/model/model.h"
#include "web/sweep.h"

#include <inttypes.h>

enum { USER = 1, PAUSE_US = 15 * SECOND_US, ORPHAN_S = 2 * 86400, SWEEP_S = 60, ATTEMPTS = 4, REDO_MAX = 6 };

static bool acts(struct model *model, enum act act)
{
    bool is = model->fault && model->fault->act == act;
    model->acted += is;
    return is;
}

static enum mr_status publish_and_mark(struct model *model, const struct mr_message *message,
                                       struct mr_err *err)
{
    if (acts(model, ACT_MARK_BEFORE_PUBLISH))
        MR_TRY(mr_outbox_mark(model->db, message, 1, err));
    MR_TRY(mr_publish(&model->web.publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_outbox_mark(model->db, message, 1, err);
}

/* debt 0: the task owes its own message. Else the next batch settles it, or the committer does when none waits. */
static void note_published(struct model *model, const struct mr_message *message, int64_t debt)
{
    struct mr_err err;
    if (!debt)
        (void)!mr_outbox_mark(model->db, message, 1, &err);
    else if (model_random(model, 2))
        (void)!mr_outbox_settle(model->db, &debt, 1, &err);
    else
        model_actor()->settled = debt;
}

static void store_input(struct model *model, struct mr_task_draft *draft, char name[MR_OBJECT_NAME_SIZE])
{
    struct mr_err err;
    mr_object_name_input(draft->file_id, name);
    if (mr_orphans_add(model->db, name, ORPHAN_S, &err) != MR_OK)
        return;
    world_put(model, name);
    draft->input_object = name;
    draft->input_generation = 1;
    draft->original_size = 100;
}

static int64_t last_id(const struct model *model)
{
    return model->now.task_count ? model->now.tasks[model->now.task_count - 1].id : 0;
}

/* Several clients order at once. */
static bool has_room(const struct model *model)
{
    return model->now.task_count < TASKS_MAX - CLIENTS && last_id(model) < GHOSTS_MAX - 10;
}

/* One request POST /api/tasks, as web/admission.c or, for a task that owes its own message, web/benchmark_run.c make it. *ret_id
 * is 0 when it got no 201. */
static void post(struct model *model, const char *key, bool is_url, bool has_callback, int64_t *ret_id)
{
    char name[MR_OBJECT_NAME_SIZE] = "";
    struct mr_task_draft draft = {.user_id = USER,
                                  .kind = MR_KIND_CONVERT,
                                  .priority = model_random(model, 3) ? "normal" : "high",
                                  .new_format = "mp3",
                                  .original_file = "a.wav",
                                  .original_format = "wav",
                                  .original_size = -1,
                                  .callback_url = has_callback ? "https://example.com/hook" : NULL,
                                  .idempotency_key = key[0] ? key : NULL,
                                  .request_hash = key[0] ? "same" : NULL,
                                  .url = is_url ? "https://example.com/a.wav" : NULL};
    const struct mr_task_draft *const drafts[] = {&draft};
    MR_AUTO_JSON json_t *view = NULL;
    enum mr_quota over = MR_QUOTA_NONE;
    struct mr_err err = {0};
    *ret_id = 0;
    if (mr_uuid_generate(draft.file_id, &err) != MR_OK)
        return;
    if (!is_url)
        store_input(model, &draft, name);
    if (!is_url && !draft.input_object)
        return;
    if (acts(model, ACT_PUBLISH_BEFORE_INSERT)) {
        struct mr_message early = {.kind = MR_KIND_CONVERT, .task_id = last_id(model) + 1, .generation = 1};
        (void)!mr_publish(&model->web.publisher, &early, 1, MR_PUBLISH_REQUEST_MS, &err);
    }
    struct mr_outbox_batch batch = {.settled = &model_actor()->settled,
                                    .settled_count = model_actor()->settled != 0};
    const bool owes_itself = model_random(model, 3) == 0;
    if (mr_outbox_batch_new(&batch.id, &err) != MR_OK)
        return;
    const struct mr_outbox_batch *owed = owes_itself ? NULL : &batch;
    enum mr_status status = mr_tasks_insert_within(model->db, NULL, owed, drafts, 1, &view, &over, &err);
    if (status == MR_UNAVAILABLE)
        status = mr_tasks_insert_within(model->db, NULL, owed, drafts, 1, &view, &over, &err);
    if (status != MR_OK)
        return;
    if (!owes_itself)
        model_actor()->settled = 0;
    if (!view) {
        if (mr_idempotency_resolve(model->db, &draft, &view, &err) == MR_OK)
            *ret_id = json_integer_value(json_object_get(view, "id"));
        return;
    }
    struct mr_message message = {.task_id = json_integer_value(json_object_get(view, "id")),
                                 .generation = 1,
                                 .high = strcmp(draft.priority, "high") == 0};
    snprintf(message.kind, sizeof message.kind, "%s", draft.kind);
    const int64_t debt = owes_itself ? 0 : mr_outbox_batch_of(batch.id, message.high);
    if (acts(model, ACT_MARK_BEFORE_PUBLISH))
        note_published(model, &message, debt);
    bool is_published = mr_publish(&model->web.publisher, &message, 1, MR_PUBLISH_REQUEST_MS, &err) == MR_OK;
    if (model_actor()->is_dead)
        return;
    *ret_id = message.task_id;
    model->ghosts[message.task_id].is_admitted = true;
    if (is_published)
        note_published(model, &message, debt);
}

/* A client repeats a request that got no answer, with its key if it has one. */
static void order(struct model *model, struct actor *actor)
{
    char key[40] = "";
    bool is_url = model_random(model, 3) == 0, has_callback = model_random(model, 4) > 0;
    if (model_random(model, 2))
        snprintf(key, sizeof key, "key-%d", model->created);
    actor->order = ++model->created;
    int64_t id = 0;
    for (int attempt = 0; attempt < ATTEMPTS && !id && has_room(model); attempt++) {
        post(model, key, is_url, has_callback, &id);
        if (actor->is_dead)
            return;
        if (!id && !key[0])
            return; /* another request would be another task */
        if (!id)
            model_wait(model, SECOND_US);
    }
    int64_t again = 0;
    if (id && key[0] && model_random(model, 3) == 0)
        post(model, key, is_url, has_callback, &again);
    if (again && again != id)
        model_violate(model, "one order makes one task", "key %s has tasks %" PRId64 " and %" PRId64, key, id,
                      again);
}

static void delete_objects(struct model *model, const json_t *names)
{
    size_t i;
    json_t *name;
    struct mr_err err;
    json_array_foreach (names, i, name)
        if (mr_storage_delete(NULL, json_string_value(name), &err) == MR_OK)
            (void)!mr_orphans_forget(model->db, json_string_value(name), &err);
}

static void redo(struct model *model, int64_t id, const char *key)
{
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_message message;
    struct mr_err err;
    const struct mr_task_change change = {.new_format = model_random(model, 2) ? "mp3" : "flac"};
    const struct task_row *row = snapshot_task(&model->now, id);
    if (acts(model, ACT_PUBLISH_BEFORE_REDO) && row) {
        struct mr_message early = {.kind = MR_KIND_CONVERT, .task_id = id, .generation = row->generation + 1};
        (void)!mr_publish(&model->web.publisher, &early, 1, MR_PUBLISH_REQUEST_MS, &err);
    }
    if (mr_tasks_redo(model->db, USER, key, &change, &view, &objects, &message, &err) != MR_OK)
        return;
    (void)!publish_and_mark(model, &message, &err);
    delete_objects(model, objects);
}

/* An operator's, as web/api/ does it. */
static void requeue(struct model *model, const char *key)
{
    struct mr_requeued done;
    struct mr_err err;
    if (mr_operators_requeue(model->db, key, &done, &err) == MR_OK)
        (void)!publish_and_mark(model, &done.message, &err);
}

static void cancel(struct model *model, const char *key)
{
    MR_AUTO_JSON json_t *view = NULL;
    struct mr_err err;
    (void)!mr_tasks_cancel(model->db, USER, key, &view, &err);
}

static void delete_task(struct model *model, int64_t id, const char *key)
{
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_err err;
    const struct task_row *row = snapshot_task(&model->now, id);
    if (row && row->input[0] && acts(model, ACT_DELETE_FILES_FIRST))
        (void)!mr_storage_delete(NULL, row->input, &err);
    model->ghosts[id].is_deleted = true;
    if (mr_tasks_delete(model->db, USER, key, &objects, &err) == MR_OK)
        delete_objects(model, objects);
}

static void change(struct model *model, struct actor *actor)
{
    if (!model->now.task_count)
        return;
    bool is_newest = model_random(model, 2); /* many are changed soon after they were made */
    const struct task_row *row =
        is_newest ? &model->now.tasks[model->now.task_count - 1]
                  : &model->now.tasks[model_random(model, (uint64_t)model->now.task_count)];
    char key[MR_INT64_TEXT_MAX];
    mr_int64_text(row->id, key);
    actor->task = row->id;
    uint64_t draw = model_random(model, 8);
    if (draw == 0)
        delete_task(model, row->id, key);
    else if (draw == 1)
        cancel(model, key);
    else if (draw == 2 && row->generation < REDO_MAX)
        requeue(model, key);
    else if (row->generation < REDO_MAX)
        redo(model, row->id, key);
}

void client_run(struct model *model, struct actor *actor)
{
    while (!model->is_quiet && !actor->is_dead) {
        if (has_room(model) && model_random(model, 2))
            order(model, actor);
        else if (model_random(model, 3) == 0)
            change(model, actor);
        model_wait(model, (int64_t)model_random(model, PAUSE_US));
    }
}

/* The scheduler calls every minute; a request that fails is not repeated. */
void sweep_run(struct model *model, struct actor *actor)
{
    const struct mr_log *log = model->log;
    MR_AUTO_JSON json_t *counts = json_object();
    struct mr_err err;
    bool idle = false;
    while (!actor->is_dead) {
        (void)!mr_sweep_run(&model->web, log, counts, &idle, &err);
        model_wait(model, SWEEP_S * INT64_C(1000000));
    }
}

void dead_letter_run(struct model *model, struct actor *actor)
{
    struct mr_err err;
    enum mr_status status = MR_OK;
    if (!actor->message.id)
        status = mr_dead_letter_accept(model->db, &actor->message, model->config.give_up_s, &err);
    queue_answer(model, actor, actor->is_dead ? 0 : status == MR_OK ? 204 : 503);
}
