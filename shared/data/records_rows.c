#include "shared/data/records_rows.h"

#include "shared/base/encoding.h"
#include "shared/data/db_copy.h"

/* A chunk of the stream is sent when the longest row might no longer fit. */
enum { CHUNK_BYTES = 64 << 10, ROW_MAX = 256 };

struct chunk {
    struct mr_db_tx *tx;
    size_t len;
    char bytes[CHUNK_BYTES];
};

static void chunk_free(struct chunk *chunk)
{
    free(chunk);
}
MR_DEFINE_CLEANUP(chunk, chunk_free)

/* snprintf takes ten times as long; these two are the hot path of a run. */
static void put_text(struct chunk *chunk, const char *text)
{
    size_t len = strlen(text);
    memcpy(chunk->bytes + chunk->len, text, len);
    chunk->len += len;
}

static void put_number(struct chunk *chunk, int64_t number)
{
    char digits[MR_INT64_TEXT_MAX];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    memcpy(chunk->bytes + chunk->len, digits + at, sizeof digits - at);
    chunk->len += sizeof digits - at;
}

/* A number that looks random but is always the same for n: Fibonacci hashing. */
static int64_t scatter(int64_t n, int64_t range)
{
    return (int64_t)(((uint64_t)n * UINT64_C(0x9e3779b97f4a7c15) >> 16) % (uint64_t)range);
}

static void put_user(struct chunk *chunk, int64_t n)
{
    put_text(chunk, "\tUser ");
    put_number(chunk, n);
    put_text(chunk, "\tuser");
    put_number(chunk, n);
    put_text(chunk, "@example.com\n");
}

static void put_product(struct chunk *chunk, int64_t n)
{
    put_text(chunk, "\tProduct ");
    put_number(chunk, n);
    put_text(chunk, "\t");
    put_number(chunk, 100 + scatter(n, 99900));
    put_text(chunk, "\n");
}

/* An item refers to a user and a product of the same run. */
static void put_order_item(struct chunk *chunk, int64_t n)
{
    put_text(chunk, "\t");
    put_number(chunk, 1 + scatter(n, n));
    put_text(chunk, "\t");
    put_number(chunk, 1 + scatter(-n, n));
    put_text(chunk, "\t");
    put_number(chunk, 1 + n % 5);
    put_text(chunk, "\n");
}

static const struct {
    const char *copy;
    void (*put)(struct chunk *chunk, int64_t n); /* the columns after task_id and n */
} tables[] = {
    {"COPY records.users (task_id, n, name, email) FROM STDIN", put_user},
    {"COPY records.products (task_id, n, name, price_cents) FROM STDIN", put_product},
    {"COPY records.order_items (task_id, n, user_n, product_n, quantity) FROM STDIN", put_order_item},
};

static enum mr_status flush(struct chunk *chunk, struct mr_err *err)
{
    enum mr_status status = mr_db_tx_copy_write(chunk->tx, chunk->bytes, chunk->len, err);
    chunk->len = 0;
    return status;
}

static enum mr_status copy_table(struct chunk *chunk, size_t table, int64_t task_id, int64_t first,
                                 int64_t last, struct mr_err *err)
{
    MR_TRY(mr_db_tx_copy_begin(chunk->tx, tables[table].copy, err));
    for (int64_t n = first; n <= last; n++) {
        put_number(chunk, task_id);
        put_text(chunk, "\t");
        put_number(chunk, n);
        tables[table].put(chunk, n);
        if (chunk->len > CHUNK_BYTES - ROW_MAX || n == last)
            MR_TRY(flush(chunk, err));
    }
    return mr_db_tx_copy_end(chunk->tx, NULL, err);
}

enum mr_status mr_records_copy(struct mr_db_tx *tx, int64_t task_id, int64_t first, int64_t last,
                               struct mr_err *err)
{
    MR_AUTO(chunk) struct chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return mr_fail_oom(err);
    chunk->tx = tx;
    chunk->len = 0;
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++)
        MR_TRY(copy_table(chunk, table, task_id, first, last, err));
    return MR_OK;
}
