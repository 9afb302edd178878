/*
 * The fields of POST /api/tasks, from a JSON body or (first byte odd) as texts of a form. The canonical form of what is
 * accepted is accepted, and is its own canonical form.
 */
#include "tests/fuzz/fuzz.h"

#include "web/api/task_request.h"

#include <string.h>

static char empty[] = "", here[] = "https://mediarun.test", yes[] = "true", no[] = "0";
static struct mr_config config = {
    .max_records = 5000, .smtp_url = empty, .public_url = here, .enabled_email = yes, .stress_test = no};
static struct mr_web web = {.config = &config};

static enum mr_status take_all(struct mr_task_request *wanted, const json_t *fields, bool is_form,
                               struct mr_err *err)
{
    const char *name;
    json_t *value;
    MR_HOLDS(mr_task_request_init(wanted, &web, 7, err) == MR_OK);
    json_object_foreach ((json_t *)(uintptr_t)fields, name, value)
        MR_TRY(mr_task_request_take(wanted, name, value, is_form, err));
    return MR_OK;
}

void mr_fuzz_request(const uint8_t *data, size_t len)
{
    struct mr_err err = {0};
    if (!web.guard)
        MR_HOLDS(mr_guard_new("hooks.test:8000", &web.guard, &err) == MR_OK);
    if (len == 0)
        return;
    MR_AUTO_JSON json_t *fields = json_loadb((const char *)data + 1, len - 1, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(fields))
        return;
    bool is_form = *data & 1;
    const char *name;
    json_t *value;
    json_object_foreach (fields, name, value)
        if (is_form && !json_is_string(value))
            return;
    MR_AUTO(mr_task_request) struct mr_task_request wanted = {0}, again = {0};
    struct mr_task_draft draft = {0};
    enum mr_status status = take_all(&wanted, fields, is_form, &err);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        return;
    }
    status = take_all(&again, wanted.fields, false, &err);
    MR_HOLDS(status == MR_OK && json_equal(wanted.fields, again.fields));
    status = mr_task_request_plan(&wanted, &draft, &err);
    if (status != MR_OK)
        mr_fuzz_check_failure(status, &err);
}
