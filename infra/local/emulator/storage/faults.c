#include "infra/local/emulator/storage/faults.h"

#include "shared/base/encoding.h"
#include "shared/base/json.h"

#include <pthread.h>

enum { ROWS_MAX = 32, NAME_MAX_BYTES = 48 };

struct row {
    char method[NAME_MAX_BYTES];
    char name[NAME_MAX_BYTES]; /* of the fault */
    enum em_fault fault;
    int http_status;
    int64_t count; /* -1: no end */
};

struct em_faults {
    pthread_mutex_t lock; /* protects all fields below */
    struct row rows[ROWS_MAX];
    size_t count;
};

enum mr_status em_faults_new(struct em_faults **ret, struct mr_err *err)
{
    struct em_faults *faults = calloc(1, sizeof *faults);
    if (!faults)
        return mr_fail_oom(err);
    pthread_mutex_init(&faults->lock, NULL);
    *ret = faults;
    return MR_OK;
}

void em_faults_free(struct em_faults *faults)
{
    if (!faults)
        return;
    pthread_mutex_destroy(&faults->lock);
    free(faults);
}

static bool read_name(struct row *row, const char *name)
{
    int64_t status = 0;
    if (strcmp(name, "return-corrupted-data") == 0)
        row->fault = EM_FAULT_CORRUPT;
    else if (strcmp(name, "return-broken-stream") == 0)
        row->fault = EM_FAULT_BREAK;
    else if (strncmp(name, "return-", 7) == 0 && mr_parse_int64(name + 7, 400, 599, &status))
        row->fault = EM_FAULT_RETURN;
    row->http_status = (int)status;
    return row->fault != EM_FAULT_NONE;
}

static enum mr_status read_row(const json_t *json, struct row *ret, struct mr_err *err)
{
    const char *method = json_string_value(json_object_get(json, "method"));
    const char *name = json_string_value(json_object_get(json, "fault"));
    const json_t *count = json_object_get(json, "count");
    if (!method || !name || !json_is_integer(count))
        return mr_fail(err, MR_INVALID, "A fault has a method, a fault and a count.");
    struct row row = {.count = json_integer_value(count)};
    snprintf(row.method, sizeof row.method, "%s", method);
    snprintf(row.name, sizeof row.name, "%s", name);
    if (!read_name(&row, name))
        return mr_fail(err, MR_INVALID, "There is no fault of this name: %s", name);
    *ret = row;
    return MR_OK;
}

enum mr_status em_faults_set(struct em_faults *faults, const json_t *body, struct mr_err *err)
{
    const json_t *list = json_object_get(body, "faults");
    size_t count = json_array_size(list);
    struct row rows[ROWS_MAX];
    if (!json_is_array(list) || count > ROWS_MAX)
        return mr_fail(err, MR_INVALID, "faults is a list of at most %d.", ROWS_MAX);
    for (size_t i = 0; i < count; i++)
        MR_TRY(read_row(json_array_get(list, i), &rows[i], err));
    pthread_mutex_lock(&faults->lock);
    memcpy(faults->rows, rows, count * sizeof *rows);
    faults->count = count;
    pthread_mutex_unlock(&faults->lock);
    return MR_OK;
}

json_t *em_faults_get(struct em_faults *faults)
{
    MR_AUTO_JSON json_t *list = json_array();
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        const struct row *row = &faults->rows[i];
        json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "method", row->method, "fault", row->name,
                                              "count", (json_int_t)row->count));
    }
    pthread_mutex_unlock(&faults->lock);
    return json_pack("{s:O}", "faults", list);
}

/* The first fault of the method that fits and is not used up; it is used once. */
static struct row take(struct em_faults *faults, const char *method, bool of_download)
{
    struct row taken = {0};
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count && taken.fault == EM_FAULT_NONE; i++) {
        struct row *row = &faults->rows[i];
        if (row->count == 0 || (row->fault != EM_FAULT_RETURN) != of_download ||
            strcmp(row->method, method) != 0)
            continue;
        if (row->count > 0)
            row->count--;
        taken = *row;
    }
    pthread_mutex_unlock(&faults->lock);
    return taken;
}

int em_faults_take_status(struct em_faults *faults, const char *method)
{
    return take(faults, method, false).http_status;
}

enum em_fault em_faults_take_download(struct em_faults *faults)
{
    return take(faults, "storage.objects.get", true).fault;
}
