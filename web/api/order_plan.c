#include "shared/http/client_url.h"
#include "shared/media/options.h"
#include "shared/media/presets.h"
#include "web/api/order.h"

#include <ctype.h>

enum { RECORDS_DEFAULT = 1000 };

/* ---- the order itself -------------------------------------------------------------- */

enum mr_status mr_order_init(struct mr_order *order, struct mr_web *web, int64_t user_id, struct mr_err *err)
{
    *order = (struct mr_order){.web = web, .user_id = user_id, .fields = json_object()};
    return order->fields ? mr_uuid_generate(order->file_id, err) : mr_fail_oom(err);
}

void mr_order_free(struct mr_order *order)
{
    json_decref(order->fields);
    json_decref(order->options);
    *order = (struct mr_order){0};
}

static enum mr_status missing(const char *what, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_MISSING_FIELD, "%s", what);
}

/* ---- names from URLs --------------------------------------------------------------- */

/* The last segment of the URL's path, decoded; "download" if it has none that could be a name. */
static struct mr_file_name name_of_url(const char *url)
{
    char text[MR_URL_MAX + 1];
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    size_t len = strcspn(path, "?#");
    while (len && path[len - 1] == '/')
        len--;
    const char *start = memrchr(path, '/', len);
    struct mr_err ignored;
    if (start)
        snprintf(text, sizeof text, "%.*s", (int)(path + len - start - 1), start + 1);
    if (!start || mr_percent_decode(text, false, &ignored) != MR_OK || !mr_utf8_is_valid(text, strlen(text)))
        return mr_file_name_of("download");
    for (char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '_';
    struct mr_file_name name = mr_file_name_of(text);
    return name.text[strspn(name.text, ". ")] ? name : mr_file_name_of("download");
}

/* ---- kinds --------------------------------------------------------------------------- */

/* The draft's input, as far as it is known yet. */
static enum mr_status take_source(struct mr_order *order, struct mr_task_draft *draft, struct mr_err *err)
{
    draft->url = mr_order_text(order, "url");
    draft->upload_id = mr_order_text(order, "upload_id");
    draft->notify_mail = mr_config_sends_mail(order->web->config);
    if (!order->file.is_stored && !draft->url && !draft->upload_id)
        return missing("fileName: a file is needed, or url, or upload_id", err);
    if (draft->url)
        order->url_name = name_of_url(draft->url);
    const struct mr_file_name *name = draft->url ? &order->url_name : &order->file.name;
    draft->original_file = name->text;
    draft->original_format = name->extension;
    if (order->file.is_stored) {
        draft->original_size = order->file.stored.size;
        draft->input_object = order->file.object;
        draft->input_generation = order->file.stored.generation;
    }
    return MR_OK;
}

static enum mr_status plan_convert(struct mr_order *order, struct mr_task_draft *draft, struct mr_err *err)
{
    enum mr_status status = take_source(order, draft, err);
    if (status != MR_OK)
        return status;
    draft->new_format = mr_order_text(order, "newFormat");
    draft->options = json_object_get(order->fields, "options");
    if (!draft->new_format)
        return missing("newFormat: this field is needed", err);
    return mr_options_check(draft->options, mr_format_find(draft->new_format), err);
}

static enum mr_status follow(struct mr_order *order, const char *preset, struct mr_task_draft *draft,
                             struct mr_err *err)
{
    const struct mr_format *format = NULL;
    enum mr_status status = mr_preset_apply(mr_preset_find(preset), mr_order_text(order, "newFormat"),
                                            &format, &order->options, err);
    if (status != MR_OK)
        return status;
    draft->preset = preset;
    draft->new_format = format->name;
    draft->options = order->options;
    return MR_OK;
}

/* Who says neither what to make nor how gets what the older systems made of such a file. */
static enum mr_status follow_default(struct mr_order *order, const char *preset, bool fits,
                                     struct mr_task_draft *draft, struct mr_err *err)
{
    if (fits || mr_order_text(order, "newFormat"))
        return follow(order, preset, draft, err);
    return missing(draft->url
                       ? "newFormat: this field is needed, as the URL's path does not end with .mp4"
                       : "newFormat: this field is needed, as the file is no video by its name or type",
                   err);
}

/* Options make a conversion. */
static enum mr_status no_options(const struct mr_order *order, struct mr_err *err)
{
    if (!mr_order_text(order, "newFormat"))
        return missing("newFormat: this field is needed with options", err);
    return mr_fail_code(err, MR_CODE_PRESET_AND_OPTIONS,
                        "options: the kind edit follows a preset, the kind convert takes options");
}

static enum mr_status plan_edit(struct mr_order *order, struct mr_task_draft *draft, struct mr_err *err)
{
    const char *preset = mr_order_text(order, "preset");
    enum mr_status status = take_source(order, draft, err);
    if (status == MR_OK)
        status = mr_order_check_preset(order, err);
    if (status != MR_OK)
        return status;
    if (json_object_get(order->fields, "options"))
        return no_options(order, err);
    if (preset)
        return follow(order, preset, draft, err);
    if (draft->upload_id)
        return MR_OK; /* mr_order_plan_upload decides */
    if (draft->url)
        return follow_default(order, MR_PRESET_OF_URLS, strcmp(order->url_name.extension, "mp4") == 0, draft,
                              err);
    return follow_default(order, MR_PRESET_OF_UPLOADS, order->file.is_video, draft, err);
}

enum mr_status mr_order_plan_upload(struct mr_order *order, const struct mr_upload_input *input,
                                    struct mr_task_draft *draft, struct mr_err *err)
{
    draft->input_object = input->object;
    draft->input_generation = input->generation;
    draft->original_size = input->size;
    draft->original_file = input->file_name.text;
    draft->original_format = input->file_name.extension;
    if (draft->new_format || strcmp(draft->kind, MR_KIND_EDIT) != 0)
        return MR_OK;
    return follow_default(order, MR_PRESET_OF_UPLOADS, input->is_video, draft, err);
}

/* Somebody waits for it, and nobody is told otherwise. */
static enum mr_status plan_probe(struct mr_order *order, struct mr_task_draft *draft, struct mr_err *err)
{
    enum mr_status status = take_source(order, draft, err);
    draft->priority = "high";
    draft->notify_mail = false;
    return status;
}

static enum mr_status plan_insert_records(struct mr_order *order, struct mr_task_draft *draft,
                                          struct mr_err *err)
{
    if (order->file.is_stored)
        return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "fileName: records are inserted without a file");
    const json_t *records = json_object_get(order->fields, "records");
    order->options =
        json_pack("{s:I,s:s*,s:s*}", "records", records ? json_integer_value(records) : RECORDS_DEFAULT,
                  "name", mr_order_text(order, "name"), "description", mr_order_text(order, "description"));
    draft->options = order->options;
    return order->options ? MR_OK : mr_fail_oom(err);
}

static const struct plan {
    const char *kind;
    enum mr_order_use use;
    enum mr_status (*fill)(struct mr_order *order, struct mr_task_draft *draft, struct mr_err *err);
} plans[] = {
    {MR_KIND_CONVERT, MR_ORDER_CONVERT, plan_convert},
    {MR_KIND_EDIT, MR_ORDER_EDIT, plan_edit},
    {MR_KIND_PROBE, MR_ORDER_PROBE, plan_probe},
    {MR_KIND_INSERT_RECORDS, MR_ORDER_INSERT_RECORDS, plan_insert_records},
};

/* ---- which kind ------------------------------------------------------------------------ */

/* Where a task's file comes from: at most one of three ways. */
static enum mr_status count_sources(const struct mr_order *order, int *ret, struct mr_err *err)
{
    *ret = order->file.is_stored + (mr_order_text(order, "url") != NULL) +
           (mr_order_text(order, "upload_id") != NULL);
    if (*ret <= 1)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_MANY_SOURCES,
                        "fileName, url, upload_id: one of them for one task, not several");
}

/* An order without a kind: with a source it is a conversion if a format is given, else an edit; a name and a
 * description alone are how one of the older systems' clients orders records. */
static enum mr_status guess_kind(const struct mr_order *order, int sources, const char **ret,
                                 struct mr_err *err)
{
    const char *name = mr_order_text(order, "name"), *description = mr_order_text(order, "description");
    bool is_edit = mr_order_text(order, "preset") || (sources && !mr_order_text(order, "newFormat"));
    if (!sources && name && description)
        *ret = MR_KIND_INSERT_RECORDS;
    else
        *ret = is_edit ? MR_KIND_EDIT : MR_KIND_CONVERT;
    if (sources || !name == !description)
        return MR_OK;
    return missing(name ? "description: this field is needed with name"
                        : "name: this field is needed with description",
                   err);
}

enum mr_status mr_order_plan(struct mr_order *order, struct mr_task_draft *ret, struct mr_err *err)
{
    const char *priority = mr_order_text(order, "priority");
    const char *kind = order->kind ? order->kind : mr_order_text(order, "kind");
    int sources = 0;
    enum mr_status status = count_sources(order, &sources, err);
    if (status == MR_OK && !kind)
        status = guess_kind(order, sources, &kind, err);
    if (status != MR_OK)
        return status;
    *ret = (struct mr_task_draft){.user_id = order->user_id,
                                  .kind = kind,
                                  .priority = priority ? priority : "normal",
                                  .original_size = -1,
                                  .callback_url = mr_order_text(order, "callback_url"),
                                  .idempotency_key = order->idempotency_key,
                                  .request_hash = order->request_hash};
    snprintf(ret->file_id, sizeof ret->file_id, "%s", order->file_id);
    snprintf(ret->traceparent, sizeof ret->traceparent, "%s", order->traceparent);
    const struct plan *plan = plans;
    while (strcmp(plan->kind, kind) != 0) /* the field's check let no other kind pass */
        plan++;
    status = mr_order_check_use(order, plan->use, err);
    return status == MR_OK ? plan->fill(order, ret, err) : status;
}
