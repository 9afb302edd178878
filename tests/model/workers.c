/* Workers: pushes as worker/dispatcher.c places them, heartbeats, and the work of a conversion. The job itself, from claim to
 * answer, is the product's (worker/job.c, worker/job_retry.c, worker/kinds/deliver.c). */
#include "shared/data/object_names.h"
#include "shared/data/orphans.h"
#include "shared/data/units.h"
#include "shared/data/waiting.h"
#include "shared/gcp/storage.h"
#include "tests/model/faults.h"
#include "tests/model/model.h"
#include "worker/heartbeat.h"
#include "worker/job.h"
#include "worker/push_answer.h"
#include "worker/recall.h"

#include <inttypes.h>

enum {
    WATCH_US = SECOND_US,
    RECALL_US = 5 * SECOND_US,
    HEARTBEAT_US = 2 * SECOND_US, /* four for each lease */
    DEADLINE_PERCENT = 90,
    WORK_US_MAX = 6 * SECOND_US,
    PARTS = 3,
    ORPHAN_S = 2 * 86400,
};

/* Replaces that of worker/heartbeat.c: a coroutine instead of a thread. */
struct mr_heartbeat {
    struct mr_db *db;
    const struct mr_claim *claim;
    int64_t lease_seconds, held_until_us;
    int progress;
    bool lost, stopping, ended;
};

enum mr_status __wrap_mr_heartbeat_start(struct mr_db *db, const struct mr_claim *claim,
                                         int64_t lease_seconds, const struct mr_log *log,
                                         struct mr_heartbeat **ret, struct mr_err *err);
void __wrap_mr_heartbeat_stop(struct mr_heartbeat *heartbeat);
void __wrap_mr_heartbeat_progress(struct mr_heartbeat *heartbeat, int permille);
bool __wrap_mr_heartbeat_lost(const struct mr_heartbeat *heartbeat);
int64_t __wrap_mr_heartbeat_left_ms(const struct mr_heartbeat *heartbeat);
bool __wrap_mr_slots_stopping(const struct mr_slots *slots);
int __wrap_mr_slots_idle(struct mr_slots *slots, enum mr_lane lane);
enum mr_status __wrap_mr_kind_convert(struct mr_job *job, bool *ret_committed, struct mr_err *err);
enum mr_status __wrap_mr_kind_probe(struct mr_job *job, bool *ret_committed, struct mr_err *err);
enum mr_status __wrap_mr_kind_insert_records(struct mr_job *job, bool *ret_committed, struct mr_err *err);

static bool acts(struct model *model, enum act act)
{
    bool is = model->fault && model->fault->act == act;
    model->acted += is;
    return is;
}

static void send_heartbeat(struct mr_heartbeat *heartbeat)
{
    struct model *model = the_model;
    struct mr_err err;
    bool ours = true;
    int64_t began_us = model->now_us;
    if ((heartbeat->claim->unit.n ? mr_unit_heartbeat : mr_lease_heartbeat)(
            heartbeat->db, heartbeat->claim, heartbeat->lease_seconds, heartbeat->progress, &ours, &err) !=
        MR_OK)
        return;
    if (ours)
        heartbeat->held_until_us = began_us + heartbeat->lease_seconds * SECOND_US;
    else if (!acts(model, ACT_IGNORE_LOST_HEARTBEAT))
        heartbeat->lost = true;
}

static void heartbeat_run(struct model *model, struct actor *actor)
{
    struct mr_heartbeat *heartbeat = actor->arg;
    while (!actor->is_dead) {
        model_wait(model, HEARTBEAT_US);
        if (heartbeat->stopping || actor->is_dead)
            break;
        send_heartbeat(heartbeat);
    }
    heartbeat->ended = true;
}

enum mr_status __wrap_mr_heartbeat_start(struct mr_db *db, const struct mr_claim *claim,
                                         int64_t lease_seconds, const struct mr_log *log,
                                         struct mr_heartbeat **ret, struct mr_err *err)
{
    struct model *model = the_model;
    struct mr_heartbeat *heartbeat = calloc(1, sizeof *heartbeat);
    (void)log;
    *heartbeat = (struct mr_heartbeat){.db = db,
                                       .claim = claim,
                                       .lease_seconds = lease_seconds,
                                       .held_until_us = model->now_us + lease_seconds * SECOND_US};
    struct actor *actor = model_actor()->is_dead ? NULL
                                                 : model_spawn(model, ROLE_HEARTBEAT, model_actor()->process,
                                                               heartbeat_run, heartbeat);
    if (!actor) {
        free(heartbeat);
        return mr_fail(err, MR_EXHAUSTED, "no room for a heartbeat");
    }
    actor->job = model_actor()->job;
    *ret = heartbeat;
    return MR_OK;
}

/* Waits for one that is being written. A dead process runs each of its actors to the end. */
void __wrap_mr_heartbeat_stop(struct mr_heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    heartbeat->stopping = true;
    while (!heartbeat->ended && !model_actor()->is_dead)
        model_wait(the_model, SECOND_US / 10);
    if (heartbeat->ended)
        free(heartbeat);
}

void __wrap_mr_heartbeat_progress(struct mr_heartbeat *heartbeat, int permille)
{
    heartbeat->progress = permille;
}

bool __wrap_mr_heartbeat_lost(const struct mr_heartbeat *heartbeat)
{
    return heartbeat->lost || model_actor()->is_dead;
}

int64_t __wrap_mr_heartbeat_left_ms(const struct mr_heartbeat *heartbeat)
{
    int64_t left_us = heartbeat->held_until_us - the_model->now_us;
    return left_us > 0 ? left_us / 1000 : 0;
}

bool __wrap_mr_slots_stopping(const struct mr_slots *slots)
{
    (void)slots;
    return model_actor()->is_dead || model_process(the_model, model_actor())->is_stopping;
}

int __wrap_mr_slots_idle(struct mr_slots *slots, enum mr_lane lane)
{
    int running = model_process(the_model, model_actor())->running;
    (void)slots, (void)lane;
    return running < SLOTS ? SLOTS - running : 0;
}

/* How the work of a job ends, beside a result. Some tasks fail most of the time, so that limits are reached. */
static enum mr_status draw_failure(struct mr_job *job, struct job *ours, struct mr_err *err)
{
    struct model *model = the_model;
    /* A task that was cut has several runs, of which each must go well. */
    uint64_t draw = model_random(model, job->claim->unit.n ? 200 : job->claim->task_id % 3 == 0 ? 50 : 100);
    if (model->is_quiet)
        return MR_OK;
    if (draw < 18) {
        ours->is_verdict = true;
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "file is damaged");
    }
    if (draw < 23)
        return mr_fail_code(err, draw < 21 ? MR_CODE_CHILD_KILLED : MR_CODE_CHILD_KILLED_FULL,
                            "child was killed");
    if (draw < 28) {
        ours->is_fault = true;
        if (acts(model, ACT_VERDICT_FOR_FAULT))
            return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "storage failed");
        return mr_fail(err, MR_UNAVAILABLE, "storage failed");
    }
    if (draw < 34 && job->claim->url[0] && !job->claim->unit.n) { /* units have their input */
        ours->is_remote = job->remote_failed = true;
        return mr_fail_code(err, MR_CODE_FETCH_FAILED, "server of the URL failed");
    }
    return MR_OK;
}

static enum mr_status stop_if_told(struct mr_job *job, struct mr_err *err)
{
    return mr_job_should_stop(job) ? mr_fail(err, MR_CANCELED, "job is to stop") : MR_OK;
}

/* As worker/output_writer.c: the name is in the ledger before the first byte is stored. */
enum mr_status model_store(struct mr_job *job, const char *name, struct mr_err *err)
{
    bool is_early = acts(the_model, ACT_STORE_BEFORE_LEDGER);
    if (is_early)
        world_put(the_model, name);
    MR_TRY(mr_job_note_object(job, name, err));
    if (!is_early)
        world_put(the_model, name);
    return model_actor()->is_dead ? mr_fail(err, MR_UNAVAILABLE, "process is dead") : MR_OK;
}

/* As worker/ingest.c. */
static enum mr_status fetch_input(struct mr_job *job, bool *ret_ours, struct mr_err *err)
{
    char name[MR_OBJECT_NAME_SIZE];
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    *ret_ours = true;
    if (!job->claim->url[0] || job->claim->input_object[0])
        return MR_OK;
    mr_object_name_fetched(job->claim, name);
    MR_TRY(model_store(job, name, err));
    do
        status =
            mr_lease_set_input(job->worker->db, job->claim, name, 1, 100, "a.wav", "wav", ret_ours, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    if (!*ret_ours)
        mr_job_drop_object(job, name);
    return MR_OK;
}

enum mr_status model_work(struct mr_job *job, struct mr_err *err)
{
    struct model *model = the_model;
    struct job *ours = model_actor()->job;
    if (!acts(model, ACT_SKIP_START))
        MR_TRY(mr_job_start(job, err));
    for (int part = 1; part <= PARTS; part++) {
        model_wait(model, (int64_t)model_random(model, WORK_US_MAX));
        mr_heartbeat_progress(job->heartbeat, part * 100);
        MR_TRY(stop_if_told(job, err));
        if (ours->told_lost)
            model_violate(model, "a job that was told so stops", "task %" PRId64, ours->task);
    }
    return draw_failure(job, ours, err);
}

/* As worker/kinds/convert.c. */
enum mr_status model_commit(struct mr_job *job, const char *name, bool *ret_committed, struct mr_err *err)
{
    struct model *model = the_model;
    const struct mr_output output = {.object = (char *)(uintptr_t)name,
                                     .object_generation = 1,
                                     .file_name = (char *)(uintptr_t) "a.mp3",
                                     .format = (char *)(uintptr_t) "mp3",
                                     .content_type = (char *)(uintptr_t) "audio/mpeg",
                                     .size = 50};
    const struct mr_commit commit = {.outputs = &output, .count = 1};
    struct mr_err failure = {0};
    enum mr_status status = mr_job_commit(job, &commit, ret_committed, &failure);
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    if (!*ret_committed)
        mr_job_drop_object(job, name);
    if (*ret_committed && acts(model, ACT_RELEASE_AFTER_COMMIT)) {
        bool released = false;
        (void)!mr_lease_release(job->worker->db, job->claim, MR_RELEASE_UNCOUNTED, &released, err);
    }
    return MR_OK;
}

enum mr_status __wrap_mr_kind_convert(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    char outputs[MR_OBJECT_NAME_SIZE], name[MR_OBJECT_NAME_SIZE];
    bool ours = false;
    *ret_committed = false;
    mr_object_name_outputs(job->claim, outputs);
    mr_object_name_output(outputs, 0, "mp3", name);
    MR_TRY(fetch_input(job, &ours, err));
    if (!ours)
        return MR_OK;
    /* With every other seed, so that what happens to whole tasks is met often, too. */
    if (the_model->seed % 2 == 0 && !job->claim->whole_reason[0] && model_random(the_model, 2))
        return model_cut(job, err);
    MR_TRY(model_work(job, err));
    MR_TRY(model_store(job, name, err));
    return model_commit(job, name, ret_committed, err);
}

enum mr_status __wrap_mr_kind_probe(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    (void)job, (void)ret_committed;
    return mr_fail(err, MR_INTERNAL, "probes are not modelled");
}

enum mr_status __wrap_mr_kind_insert_records(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    return __wrap_mr_kind_probe(job, ret_committed, err);
}

static bool is_of_unit(const struct actor *actor)
{
    return strcmp(actor->message.kind, MR_KIND_UNIT) == 0;
}

/* True if the push is put off, as for a user with a full share, which is drawn. */
static bool is_put_off(struct model *model, const struct actor *actor)
{
    struct mr_err err;
    bool done = false;
    if (!model_chance(model, 40))
        return false;
    if (is_of_unit(actor))
        return mr_units_put_off(model->db, &actor->message, false, &done, &err) == MR_OK && done;
    if (acts(model, ACT_DEFER_WITHOUT_DEBT))
        return true;
    return mr_waiting_put_off(model->db, &actor->message, &done, &err) == MR_OK && done;
}

/* False without an answer. */
static bool look(struct model *model, const struct actor *actor, enum mr_waiting_state *ret)
{
    static const enum mr_waiting_state states[] = {[MR_CLAIM_OURS] = MR_WAITING_READY,
                                                   [MR_CLAIM_ELSEWHERE] = MR_WAITING_ELSEWHERE,
                                                   [MR_CLAIM_STALE] = MR_WAITING_STALE};
    struct mr_waiting task = {.task_id = actor->message.task_id, .generation = actor->message.generation};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err;
    int64_t user = 0;
    enum mr_status status = is_of_unit(actor)
                                ? mr_unit_look(model->db, &actor->message, &outcome, &user, &err)
                                : mr_waiting_look(model->db, &task, 1, &err);
    *ret = is_of_unit(actor) ? states[outcome] : task.state;
    return status == MR_OK;
}

/* worker/dispatcher.c as one loop: looks, holds, waits for a slot, runs. */
static enum mr_job_end run_task(struct model *model, struct actor *actor)
{
    const int64_t due_us = model->now_us + ACK_DEADLINE_S * INT64_C(10000) * DEADLINE_PERCENT;
    struct process *process = model_process(model, actor);
    struct mr_ticket ticket = {.lane = MR_LANE_NORMAL};
    enum mr_job_end end = MR_JOB_ELSEWHERE;
    mr_message_run *run = is_of_unit(actor) ? mr_unit_run : mr_job_run;
    while (!actor->is_dead && model->now_us < due_us && !process->is_stopping) {
        enum mr_waiting_state state = MR_WAITING_STALE;
        bool looked = look(model, actor, &state);
        if (looked && state == MR_WAITING_STALE)
            return MR_JOB_STALE;
        if (!looked || state == MR_WAITING_ELSEWHERE || process->running >= SLOTS) {
            model_wait(model, WATCH_US);
            continue;
        }
        if (is_put_off(model, actor))
            return MR_JOB_DEFERRED;
        if (!model->is_quiet && model_random(model, 2))
            model_wait(model, (int64_t)model_random(model, 4 * SECOND_US)); /* for a slot */
        process->running++;
        if (model_chance(model, 50))
            atomic_store(&ticket.yields, true);
        end = run(&model->worker, &actor->message, model->log, &ticket);
        process->running -= !actor->is_dead;
        atomic_store(&ticket.yields, false);
        if (end != MR_JOB_YIELDED && end != MR_JOB_ELSEWHERE)
            return end;
        actor->job = NULL;
    }
    return MR_JOB_BUSY;
}

void push_run(struct model *model, struct actor *actor)
{
    bool is_delivery = strcmp(actor->message.kind, MR_KIND_DELIVER) == 0;
    enum mr_job_end end = is_delivery ? mr_deliver_run(&model->worker, &actor->message, model->log, NULL)
                                      : run_task(model, actor);
    int answer = mr_push_answer(end);
    if (answer >= 300 && acts(model, ACT_ACK_REFUSED))
        answer = 204;
    queue_answer(model, actor, actor->is_dead ? 0 : answer);
}

/* As the watcher of worker/dispatcher.c, which looks once a second. */
void recall_run(struct model *model, struct actor *actor)
{
    const struct process *process = model_process(model, actor);
    struct mr_recalls recalls;
    mr_recalls_init(&recalls);
    while (!actor->is_dead && !process->is_stopping) {
        mr_recalls_for_idle_slots(&recalls, &model->worker);
        model_wait(model, RECALL_US);
    }
    mr_recalls_destroy(&recalls);
}
