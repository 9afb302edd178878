#include "shared/base/random.h"
#include "shared/media/options.h"
#include "shared/media/presets.h"
#include "web/api/task_request.h"
#include "web/caller.h"

enum { RECORDS_DEFAULT = 1000 };

enum mr_status mr_task_request_init(struct mr_task_request *wanted, struct mr_web *web, int64_t user_id,
                                    struct mr_err *err)
{
    *wanted = (struct mr_task_request){.web = web, .user_id = user_id, .fields = json_object()};
    if (!wanted->fields)
        return mr_fail_oom(err);
    return mr_uuid_generate(wanted->file_id, err);
}

void mr_task_request_free(struct mr_task_request *wanted)
{
    mr_span_end(&wanted->span, MR_CANCELED); /* of a request that came to no end */
    json_decref(wanted->fields);
    json_decref(wanted->options);
    *wanted = (struct mr_task_request){0};
}

static enum mr_status missing(const char *what, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_MISSING_FIELD, "%s", what);
}

/* Fills in the input of the draft, as far as it is known yet. */
static enum mr_status take_source(struct mr_task_request *wanted, struct mr_task_draft *draft,
                                  struct mr_err *err)
{
    draft->url = wanted->given.url;
    draft->upload_id = wanted->given.upload_id;
    draft->notify_mail = mr_config_sends_mail(wanted->web->config);
    if (!wanted->file.is_stored && !draft->url && !draft->upload_id)
        return missing("fileName is required, or url, or upload_id", err);
    if (draft->url)
        wanted->url_name = mr_file_name_of_url(draft->url);
    const struct mr_file_name *name = draft->url ? &wanted->url_name : &wanted->file.name;
    draft->original_file = name->text;
    draft->original_format = name->extension;
    if (wanted->file.is_stored) {
        draft->original_size = wanted->file.stored.size;
        draft->input_object = wanted->file.object;
        draft->input_generation = wanted->file.stored.generation;
    }
    return MR_OK;
}

static enum mr_status plan_convert(struct mr_task_request *wanted, struct mr_task_draft *draft,
                                   struct mr_err *err)
{
    MR_TRY(take_source(wanted, draft, err));
    draft->new_format = wanted->given.new_format;
    draft->options = wanted->given.options;
    if (!draft->new_format)
        return missing("newFormat is required", err);
    return mr_options_check(draft->options, mr_format_find(draft->new_format), err);
}

static enum mr_status apply_preset(struct mr_task_request *wanted, const char *preset,
                                   struct mr_task_draft *draft, struct mr_err *err)
{
    const struct mr_format *format = NULL;
    MR_TRY(mr_preset_apply(mr_preset_find(preset), wanted->given.new_format, &format, &wanted->options, err));
    draft->preset = preset;
    draft->new_format = format->name;
    draft->options = wanted->options;
    return MR_OK;
}

/* Without format and preset, a file that fits gets what the older systems made of it. */
static enum mr_status apply_default(struct mr_task_request *wanted, const char *preset, bool fits,
                                    struct mr_task_draft *draft, struct mr_err *err)
{
    if (fits || wanted->given.new_format)
        return apply_preset(wanted, preset, draft, err);
    return missing(draft->url ? "newFormat is required: the path of url does not end with .mp4"
                              : "newFormat is required: the file is not a video by its name or type",
                   err);
}

/* A task with options is a conversion. */
static enum mr_status refuse_options(const struct mr_task_request *wanted, struct mr_err *err)
{
    if (!wanted->given.new_format)
        return missing("newFormat is required with options", err);
    return mr_fail_code(err, MR_CODE_PRESET_AND_OPTIONS,
                        "options cannot be combined with the kind edit, which follows a preset");
}

static enum mr_status plan_edit(struct mr_task_request *wanted, struct mr_task_draft *draft,
                                struct mr_err *err)
{
    const char *preset = wanted->given.preset;
    MR_TRY(take_source(wanted, draft, err));
    MR_TRY(mr_task_request_check_preset(wanted, err));
    if (wanted->given.options)
        return refuse_options(wanted, err);
    if (preset)
        return apply_preset(wanted, preset, draft, err);
    if (draft->upload_id)
        return MR_OK; /* mr_task_request_plan_upload decides */
    if (draft->url)
        return apply_default(wanted, MR_PRESET_OF_URLS, strcmp(wanted->url_name.extension, "mp4") == 0, draft,
                             err);
    return apply_default(wanted, MR_PRESET_OF_UPLOADS, wanted->file.is_video, draft, err);
}

enum mr_status mr_task_request_plan_upload(struct mr_task_request *wanted,
                                           const struct mr_upload_input *input, struct mr_task_draft *draft,
                                           struct mr_err *err)
{
    draft->input_object = input->object;
    draft->input_generation = input->generation;
    draft->original_size = input->size;
    draft->original_file = input->file_name.text;
    draft->original_format = input->file_name.extension;
    if (draft->new_format || strcmp(draft->kind, MR_KIND_EDIT) != 0)
        return MR_OK;
    return apply_default(wanted, MR_PRESET_OF_UPLOADS, input->is_video, draft, err);
}

/* A client waits for it: no mail, and high priority unless it decodes the file for previews. */
static enum mr_status plan_probe(struct mr_task_request *wanted, struct mr_task_draft *draft,
                                 struct mr_err *err)
{
    MR_TRY(take_source(wanted, draft, err));
    draft->notify_mail = false;
    draft->options = wanted->given.options;
    if (json_object_size(draft->options) == 0)
        draft->priority = "high";
    return mr_options_check_probe(draft->options, err);
}

static enum mr_status plan_insert_records(struct mr_task_request *wanted, struct mr_task_draft *draft,
                                          struct mr_err *err)
{
    if (wanted->file.is_stored)
        return mr_fail_code(err, MR_CODE_UNKNOWN_FIELD, "fileName is not a field of the kind insert_records");
    json_int_t records = wanted->given.records ? wanted->given.records : RECORDS_DEFAULT;
    wanted->options = json_pack("{s:I,s:s*,s:s*}", "records", records, "name", wanted->given.name,
                                "description", wanted->given.description);
    draft->options = wanted->options;
    return wanted->options ? MR_OK : mr_fail_oom(err);
}

static const struct plan {
    const char *kind;
    enum mr_task_request_use use;
    enum mr_status (*fill)(struct mr_task_request *wanted, struct mr_task_draft *draft, struct mr_err *err);
} plans[] = {
    {MR_KIND_CONVERT, MR_TASK_REQUEST_CONVERT, plan_convert},
    {MR_KIND_EDIT, MR_TASK_REQUEST_EDIT, plan_edit},
    {MR_KIND_PROBE, MR_TASK_REQUEST_PROBE, plan_probe},
    {MR_KIND_INSERT_RECORDS, MR_TASK_REQUEST_INSERT_RECORDS, plan_insert_records},
};

/* The input comes from at most one of three sources. */
static enum mr_status count_sources(const struct mr_task_request *wanted, int *ret, struct mr_err *err)
{
    *ret = wanted->file.is_stored + (wanted->given.url != NULL) + (wanted->given.upload_id != NULL);
    if (*ret <= 1)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_MANY_SOURCES, "fileName, url and upload_id cannot be combined");
}

/* Without a kind: a request with a source is a conversion if a format is given, otherwise an edit. The
 * clients of one of the older systems request records with a name and a description alone. */
static enum mr_status guess_kind(const struct mr_task_request *wanted, int sources, const char **ret,
                                 struct mr_err *err)
{
    const char *name = wanted->given.name, *description = wanted->given.description;
    bool is_edit = wanted->given.preset || (sources && !wanted->given.new_format);
    if (!sources && name && description)
        *ret = MR_KIND_INSERT_RECORDS;
    else
        *ret = is_edit ? MR_KIND_EDIT : MR_KIND_CONVERT;
    if (sources || !name == !description)
        return MR_OK;
    return missing(name ? "description is required with name" : "name is required with description", err);
}

enum mr_status mr_task_request_check_guest(const struct mr_task_request *wanted, struct mr_err *err)
{
    if (wanted->given.callback_url)
        MR_TRY(mr_caller_refuse_guest(wanted->is_guest, "callback_url", err));
    if (wanted->given.priority && strcmp(wanted->given.priority, "high") == 0)
        MR_TRY(mr_caller_refuse_guest(wanted->is_guest, "priority high", err));
    return MR_OK;
}

enum mr_status mr_task_request_plan(struct mr_task_request *wanted, struct mr_task_draft *ret,
                                    struct mr_err *err)
{
    const char *priority = wanted->given.priority;
    const char *kind = wanted->kind ? wanted->kind : wanted->given.kind;
    int sources = 0;
    MR_TRY(mr_task_request_check_guest(wanted, err));
    MR_TRY(count_sources(wanted, &sources, err));
    if (!kind)
        MR_TRY(guess_kind(wanted, sources, &kind, err));
    *ret = (struct mr_task_draft){.user_id = wanted->user_id,
                                  .is_guest = wanted->is_guest,
                                  .kind = kind,
                                  .priority = priority ? priority : "normal",
                                  .original_size = -1,
                                  .callback_url = wanted->given.callback_url,
                                  .reuse = wanted->given.reuse,
                                  .idempotency_key = wanted->idempotency_key,
                                  .request_hash = wanted->request_hash};
    snprintf(ret->file_id, sizeof ret->file_id, "%s", wanted->file_id);
    snprintf(ret->traceparent, sizeof ret->traceparent, "%s", wanted->traceparent);
    const struct plan *plan = plans;
    while (strcmp(plan->kind, kind) != 0) /* the check of the field allows no other kind */
        plan++;
    MR_TRY(mr_task_request_check_use(wanted, plan->use, err));
    return plan->fill(wanted, ret, err);
}
