#include "shared/data/db_rows.h"

#include "shared/base/encoding.h"

enum { HINTS = 64 };

struct mr_rows {
    PGresult *result;
    /* behind the struct, HINTS of them: where a name was found, which is asked for again with each row */
    int *hints;
};

enum mr_status mr_rows_of(PGresult *result, struct mr_rows **ret, struct mr_err *err)
{
    struct mr_rows *rows = calloc(1, sizeof *rows + HINTS * sizeof *rows->hints);
    if (!rows) {
        PQclear(result);
        return mr_fail_oom(err);
    }
    rows->result = result;
    rows->hints = (int *)(rows + 1);
    *ret = rows;
    return MR_OK;
}

void mr_rows_free(struct mr_rows *rows)
{
    if (!rows)
        return;
    PQclear(rows->result);
    free(rows);
}

int mr_rows_count(const struct mr_rows *rows)
{
    return PQntuples(rows->result);
}

int64_t mr_rows_affected(const struct mr_rows *rows)
{
    int64_t count = 0;
    mr_parse_int64(PQcmdTuples(rows->result), 0, INT64_MAX, &count);
    return count;
}

size_t mr_rows_bytes(const struct mr_rows *rows, int row)
{
    size_t bytes = 0;
    for (int field = 0; field < PQnfields(rows->result); field++)
        bytes += (size_t)PQgetlength(rows->result, row, field);
    return bytes;
}

/* libpq compares with one name after the other. A hint is checked, as other names share its place. */
static int field_of(const struct mr_rows *rows, const char *column)
{
    int *hint = &rows->hints[(uintptr_t)column % HINTS];
    const char *name = PQfname(rows->result, *hint);
    if (name && strcmp(name, column) == 0)
        return *hint;
    int field = PQfnumber(rows->result, column);
    if (field >= 0)
        *hint = field;
    return field;
}

const char *mr_rows_text(const struct mr_rows *rows, int row, const char *column)
{
    int field = field_of(rows, column);
    return field < 0 ? "" : PQgetvalue(rows->result, row, field);
}

bool mr_rows_is_null(const struct mr_rows *rows, int row, const char *column)
{
    int field = field_of(rows, column);
    return field < 0 || PQgetisnull(rows->result, row, field);
}

int64_t mr_rows_int64(const struct mr_rows *rows, int row, const char *column)
{
    int64_t value = 0;
    mr_parse_int64(mr_rows_text(rows, row, column), INT64_MIN, INT64_MAX, &value);
    return value;
}
