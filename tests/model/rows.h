/* What the model sees of the database from outside, with SQL of its own. */
#ifndef MR_TESTS_MODEL_ROWS_H
#define MR_TESTS_MODEL_ROWS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TASKS_MAX = 12,
    DELIVERY_ROWS_MAX = 60,
    UNIT_ROWS_MAX = 60,
    LEDGER_MAX = 400,
    OBJECT_NAME_MAX = 140,
    GENERATIONS_MAX = 12
};

struct task_row {
    int64_t id;
    char status[16];
    int64_t generation, attempts, interruptions, kills, stops, fence;
    bool is_started, has_callback, is_url;
    bool is_owed;                              /* a batch of new tasks holds it */
    int64_t lease_us, published_us, queued_us; /* -1: NULL */
    char claim_id[40], error_code[40], input[OBJECT_NAME_MAX], output[OBJECT_NAME_MAX];
    int64_t outputs, progress, event_id;
};

struct delivery_row {
    int64_t id, task, generation, attempts, fence, lease_us, next_us, published_us;
    char status[16];
};

struct unit_row {
    int64_t task, n, plan, fence, attempts, stops, waits_for, lease_us;
    char kind[8], state[16], claim_id[40], object[OBJECT_NAME_MAX];
};

struct snapshot {
    struct task_row tasks[TASKS_MAX];
    int task_count;
    struct delivery_row deliveries[DELIVERY_ROWS_MAX];
    int delivery_count;
    struct unit_row units[UNIT_ROWS_MAX];
    int unit_count;
    char ledger[LEDGER_MAX][OBJECT_NAME_MAX];
    int ledger_count;
    bool usage_is_exact;
};

/* What the model knows of a task without the database. */
struct ghost {
    bool is_admitted;              /* its client has the answer 201 */
    bool is_deleted;               /* a DELETE was sent */
    int64_t generations_published; /* bit n: a message of generation n is or was in the queue */
    int64_t results[GENERATIONS_MAX];
    int64_t webhooks[GENERATIONS_MAX]; /* received, with an answer that arrived */
    bool has_ended[GENERATIONS_MAX];
    int order; /* of the client's request that made it */
};

struct task_row *snapshot_task(const struct snapshot *snapshot, int64_t id); /* NULL: none */
struct delivery_row *snapshot_delivery(const struct snapshot *snapshot, int64_t id);
struct unit_row *snapshot_unit(const struct snapshot *snapshot, int64_t task, int64_t n);
bool snapshot_in_ledger(const struct snapshot *snapshot, const char *name);
bool task_is(const struct task_row *row, const char *status);
bool task_is_final(const struct task_row *row);

/* watch.c: a connection of the model's own, and the virtual clock. */
struct watch;
struct watch *watch_open(const char *conninfo);
void watch_close(struct watch *watch);
void watch_command(struct watch *watch, const char *sql); /* ends the program on a failure */
/* Functions now() and clock_timestamp() that are found before those of PostgreSQL. Before the migrations. */
void watch_install_clock(struct watch *watch);
/* Empties the tables and adds two users. */
void watch_reset(struct watch *watch);
void watch_look(struct watch *watch, struct snapshot *ret);
/* Tells a connection of the product (PGconn) what time it is. */
void watch_set_clock(void *connection, int64_t us);

#endif
