#include "shared/data/dead_letters.h"

#include "shared/base/encoding.h"
#include "shared/data/lease_sql.h"

enum mr_status mr_dead_letter_accept(struct mr_db *db, const struct mr_message *message,
                                     int64_t give_up_seconds, struct mr_err *err)
{
    static const struct mr_statement note = {
        "dead_letter_note",
        "INSERT INTO dead_letters AS d (task_id, generation) SELECT id, $2::int FROM tasks"
        " WHERE id = $1::bigint ON CONFLICT (task_id) DO UPDATE"
        " SET generation = excluded.generation, times = d.times + 1, last_at = now()",
        2};
    static const struct mr_statement fail = {
        "dead_letter_fail",
        "UPDATE tasks SET status = 'failed', lease_expires_at = NULL, processed_at = now(),"
        " error_code = $3, error_detail = 'task waited for too long: no worker could take it'"
        " WHERE id = $1::bigint AND generation = $2::int AND" MR_LEASE_IS_CLAIMABLE
        " AND coalesce(uploaded_at, created_at) < now() - make_interval(secs => $4::int)",
        4};
    static const struct mr_statement again = {"dead_letter_again",
                                              "UPDATE tasks SET published_at = NULL WHERE id = $1::bigint"
                                              " AND generation = $2::int AND status = 'uploaded'",
                                              2};
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], give_up[MR_INT64_TEXT_MAX];
    mr_int64_text(message->task_id, task);
    mr_int64_text(message->generation <= INT32_MAX ? message->generation : 0, generation);
    mr_int64_text(give_up_seconds, give_up);
    const char *const params[] = {task, generation, mr_code_name(MR_CODE_DELIVERY_EXHAUSTED), give_up};
    MR_TRY(mr_db_exec(db, &note, params, NULL, err));
    MR_TRY(mr_db_exec(db, &fail, params, NULL, err));
    return mr_db_exec(db, &again, params, NULL, err);
}
