#include "shared/data/results.h"

#include "shared/data/lease_sql.h"
#include "shared/data/result_sql.h"
#include "shared/data/task_rows.h"

enum { PARAMS = 5 };

void mr_result_free(struct mr_result *result)
{
    for (size_t i = 0; i < result->count; i++)
        mr_output_free(&result->outputs[i]);
    free(result->outputs);
    json_decref(result->receipt);
    *result = (struct mr_result){0};
}

static enum mr_status output_of(const json_t *json, struct mr_output *ret, struct mr_err *err)
{
    const char *object = json_string_value(json_object_get(json, "object")),
               *format = json_string_value(json_object_get(json, "format")),
               *type = json_string_value(json_object_get(json, "content_type"));
    *ret = (struct mr_output){
        .object = strdup(object ? object : ""),
        .object_generation = json_integer_value(json_object_get(json, "object_generation")),
        .format = strdup(format ? format : ""),
        .content_type = strdup(type ? type : ""),
        .size = json_integer_value(json_object_get(json, "size")),
    };
    return ret->object && ret->format && ret->content_type ? MR_OK : mr_fail_oom(err);
}

/* What is read so far is freed with *ret. */
static enum mr_status read_result(const struct mr_rows *rows, struct mr_result *ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *outputs = json_loads(mr_rows_text(rows, 0, "outputs"), 0, NULL);
    const json_t *output;
    size_t i;
    ret->receipt = json_loads(mr_rows_text(rows, 0, "receipt"), 0, NULL);
    ret->outputs = calloc(json_array_size(outputs) + 1, sizeof *ret->outputs);
    if (!outputs || !ret->receipt || !ret->outputs)
        return mr_fail_oom(err);
    json_array_foreach (outputs, i, output) {
        ret->count = i + 1;
        MR_TRY(output_of(output, &ret->outputs[i], err));
    }
    ret->task_id = mr_rows_int64(rows, 0, "id");
    return MR_OK;
}

/* clang-format off */
/* What the task m and the result c have to have in common, whatever their hashes are. */
#define IS_SAME                                                                                              \
    " (c.user_id = m.user_id AND c.kind = m.kind AND c.new_format = m.new_format"                            \
    " AND coalesce(c.options, '{}') = coalesce(m.options, '{}') AND c.original_size = m.original_size"       \
    " AND c.name_part IS NOT DISTINCT FROM m.name_part"                                                      \
    " AND c.input_crc32c = $4::bigint AND c.engine = $5::text) IS TRUE"
#define COLUMNS " user_id, kind, new_format, options, original_size," MR_RESULT_NAME_PART " AS name_part"

/* m: the claimed task. Of the rows with its hash only the newest is read, and then compared, so that no number of them changes
 * what it costs. A result without outputs or without a receipt is none. */
static const struct mr_statement find = {
    "result_find",
    "WITH m AS (SELECT" COLUMNS "," MR_RESULT_HASH("$4::bigint", "$5::text") " AS hash FROM tasks"
    "  WHERE" MR_LEASE_IS_HELD ")"
    " SELECT c.id, c.receipt, o.outputs FROM m LEFT JOIN LATERAL"
    "  (SELECT id, receipt, input_crc32c, engine," COLUMNS " FROM tasks"
    "   WHERE result_hash = m.hash AND" MR_RESULT_IS_VALID
    "   AND processed_at > now() - " MR_OUTPUTS_ARE_KEPT " ORDER BY processed_at DESC LIMIT 1) c ON" IS_SAME
    " LEFT JOIN LATERAL (SELECT json_agg(json_build_object('object', a.object, 'object_generation',"
    "  a.object_generation, 'format', a.format, 'content_type', a.content_type, 'size', a.size) ORDER BY a.n)"
    "  AS outputs FROM outputs a WHERE a.task_id = c.id) o ON true", PARAMS};
/* clang-format on */

enum mr_status mr_result_find(struct mr_db *db, const struct mr_claim *claim, const struct mr_made_from *made,
                              bool *ret_ours, struct mr_result *ret, struct mr_err *err)
{
    const struct mr_held held = mr_held_of(claim);
    char crc32c[MR_INT64_TEXT_MAX];
    mr_int64_text(made->crc32c, crc32c);
    const char *const params[PARAMS] = {held.task, held.generation, held.fence, crc32c, made->engine};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &find, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    if (!*ret_ours || mr_rows_is_null(rows, 0, "receipt") || mr_rows_is_null(rows, 0, "outputs"))
        return MR_OK;
    return read_result(rows, ret, err);
}
