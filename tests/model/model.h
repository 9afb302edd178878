/*
 * A model of the protocol between web, workers, queue and sweep: many instances in one thread, on a virtual clock, with the
 * product's own code and SQL on a real PostgreSQL. Every wait and every statement of an actor is a step; a seeded
 * scheduler draws whose step is next, and what breaks. After each step the invariants (invariants.c) are checked.
 *
 * What the product calls outside its own code (database, clock, Pub/Sub, storage, receivers of webhooks) is wrapped by the
 * linker: seams.c and world.c. These functions find the model in `the_model`; all others get it passed in.
 */
#ifndef MR_TESTS_MODEL_MODEL_H
#define MR_TESTS_MODEL_MODEL_H

#include "shared/data/deliveries.h"
#include "shared/data/leases.h"
#include "tests/model/rows.h"
#include "web/app.h"
#include "worker/app.h"

#include <ucontext.h>

enum {
    WEBS = 2,
    WORKERS = 3,
    PROCESSES = WEBS + WORKERS,
    ACTORS_MAX = 120,
    JOBS_MAX = 4000,
    MESSAGES_MAX = 600,
    OBJECTS_MAX = 1000,
    SLOTS = 2,          /* of each worker */
    DELIVERIES_MAX = 3, /* of a message, before it becomes a dead letter */
    LEASE_S = 10,
    ACK_DEADLINE_S = 20,
    STATEMENTS_MAX = 8, /* of a step */
    STATEMENT_MAX = 64,
    GHOSTS_MAX = 200, /* ids of tasks in a run */
    CLIENTS = 3,
    TRACE_LINES = 60,
    TRACE_COLUMNS = 200,
    SECOND_US = 1000000,
};

/* What a worker knows of a task or unit that it has claimed, and what happened to it. */
struct job {
    int64_t task, generation, fence;
    int64_t unit, unit_fence;             /* of a unit; 0: the task itself */
    int64_t owed_us;                      /* when it put the task off; 0: not */
    int64_t held_until_us;                /* it believes to hold the lease until then */
    bool over;                            /* it has given the lease back, or knows that it is lost */
    bool told_lost;                       /* an answer said that the lease is lost */
    bool is_unsure;                       /* the last statement got no answer */
    bool is_verdict, is_remote, is_fault; /* how the work failed */
    enum mr_release reason;
};

enum role { ROLE_CLIENT, ROLE_SWEEP, ROLE_PUSH, ROLE_HEARTBEAT, ROLE_DEAD_LETTER, ROLE_RECALL };

struct model;
struct mr_job;
struct actor;
typedef void actor_run(struct model *model, struct actor *actor);

/* One thread of a process, as a coroutine. */
struct actor {
    bool is_used, is_done;
    bool is_dead; /* its process was killed: it runs to its end without any effect */
    enum role role;
    int process;
    int64_t wake_us;
    actor_run *run;
    void *arg;                           /* of its role */
    struct job *job;                     /* of a push or heartbeat with a claimed task */
    struct mr_message message;           /* of a push or a dead letter */
    int slot;                            /* of the queue, where that message is */
    int delivery;                        /* its number */
    int64_t task;                        /* that a client changes */
    int order;                           /* that a client makes: its number, from 1 */
    int64_t settled;                     /* a batch that its next INSERT settles; 0: none */
    char claim_id[40];                   /* of its last claim */
    int64_t delivery_id, delivery_fence; /* of a webhook that it claimed */
    ucontext_t context;
    char *stack;
};

struct process {
    bool is_worker, is_stopping;
    int64_t down_until_us, frozen_until_us;
    int running; /* jobs on slots */
};

/* A message in the queue. */
struct queued {
    bool is_used, is_out; /* is_out: being delivered */
    struct mr_message message;
    int deliveries;
    int64_t next_us, deadline_us;
};

struct object {
    char name[OBJECT_NAME_MAX];
};

/* What happened in the present step. */
struct step {
    long number;
    struct actor *actor;
    char statements[STATEMENTS_MAX][STATEMENT_MAX];
    int statement_count;
    const char *note;
};

struct violation {
    const char *invariant; /* NULL: none */
    char detail[300];
};

struct fault;

struct model {
    uint64_t random;
    uint64_t seed;
    int64_t now_us;   /* of the virtual clock, since its epoch */
    int64_t quiet_us; /* no faults from then on */
    bool is_quiet;
    const struct fault *fault; /* planted; NULL: none */
    int applied;               /* how often its text was replaced */
    int acted;                 /* how often its act was done */
    struct watch *watch;
    struct mr_db *db;
    const struct mr_log *log;
    struct mr_config config;
    struct mr_web web;
    struct mr_worker worker;
    struct process processes[PROCESSES];
    struct actor actors[ACTORS_MAX];
    struct job jobs[JOBS_MAX];
    int job_count;
    struct queued queue[MESSAGES_MAX];
    struct object objects[OBJECTS_MAX];
    int object_count;
    struct ghost ghosts[GHOSTS_MAX]; /* by the task's id */
    struct snapshot before, now;
    int created; /* tasks that clients ordered */
    struct step step;
    const struct actor *acked; /* has answered its push with 2xx in this step */
    struct mr_message acked_message;
    struct job acked_job;
    int crash; /* a process that dies after this step; -1: none */
    struct violation violation;
    ucontext_t scheduler;
    char trace[TRACE_LINES][TRACE_COLUMNS];
    bool is_verbose;
    int64_t clock_of_product_us; /* what its connection was told last */
    const void *clock_connection;
};

/* For functions that the linker puts in the place of others. */
extern struct model *the_model;

/* scheduler.c */
uint64_t model_random(struct model *model, uint64_t below);
bool model_chance(struct model *model, int permille); /* false when the model is quiet */
struct actor *model_actor(void);                      /* that runs; NULL outside of all */
struct actor *model_spawn(struct model *model, enum role role, int process, actor_run *run, void *arg);
void model_wait(struct model *model, int64_t us); /* a step ends; the actor goes on after us */
bool model_turn(struct model *model); /* as model_wait for no time; false if the process is dead */
void model_trace(struct model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
void model_violate(struct model *model, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool model_ran(const struct model *model, const char *statement); /* in this step */
struct process *model_process(struct model *model, const struct actor *actor);
/* Runs steps until everything is final, a rule is broken, or `steps` are done. */
void model_run(struct model *model, long steps);
void model_free_stacks(struct model *model);

/* queue.c */
void queue_publish(struct model *model, const struct mr_message *message);
bool queue_is_empty(const struct model *model);
bool queue_deliver(struct model *model); /* a step: false if nothing could be delivered */
void queue_answer(struct model *model, const struct actor *actor, int http_status);
int64_t queue_next_us(const struct model *model);

/* clients.c, workers.c */
actor_run client_run, sweep_run, push_run, dead_letter_run, recall_run;

enum mr_status model_work(struct mr_job *job, struct mr_err *err); /* that a sandbox would do */
enum mr_status model_store(struct mr_job *job, const char *name, struct mr_err *err);
enum mr_status model_commit(struct mr_job *job, const char *name, bool *ret_committed, struct mr_err *err);

/* unit_work.c: cuts the task into units, as worker/kinds/convert.c */
enum mr_status model_cut(struct mr_job *job, struct mr_err *err);

/* lease_seams.c */
struct job *model_job_new(struct model *model, const struct mr_claim *claim);
/* The work is over when the worker says how it ended, whether or not the answer arrives. */
void model_job_end(void);

/* world.c */
bool world_has(const struct model *model, const char *name);
void world_put(struct model *model, const char *name);

/* invariants.c */
void invariants_check(struct model *model);
void invariants_check_ack(struct model *model, const struct actor *actor);
void invariants_check_message(struct model *model, const struct mr_message *message);
void invariants_check_end(struct model *model);

#endif
