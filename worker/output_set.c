#include "worker/output_set.h"

#include "shared/data/object_names.h"
#include "shared/media/file_stem.h"
#include "worker/output_writer.h"
#include "worker/protocol.h"

enum { NUMBER_AND_EXTENSION_MAX = 32 };

struct mr_output_set {
    const struct mr_job *job;
    char object[MR_OBJECT_NAME_SIZE - NUMBER_AND_EXTENSION_MAX]; /* the names of the objects begin with it */
    char stem[MR_FILE_STEM_MAX + 1];                             /* of the file names of the outputs */
    const struct mr_format *format;
    bool has_pictures, has_waveform;

    /* The output that is being written, number `count`. */
    struct mr_output_writer *writer; /* NULL before its first bytes */
    const struct mr_format *writer_format;
    char writer_object[MR_OBJECT_NAME_SIZE];

    struct mr_output *outputs; /* those that are finished */
    size_t count, capacity;
};

/* What there may be beside the parts. Tasks cannot ask for these formats by name, and no output format begins like them. */
static const struct extra {
    struct mr_format format;
    const char *begins; /* every file of it */
    bool is_of_video;   /* a thumbnail or a filmstrip */
} extras[] = {
    /* SOI and the next marker (ITU T.81, B.1.1.3). */
    {{.name = "jpg", .extension = "jpg", .mime = "image/jpeg", .media_class = MR_MEDIA_VIDEO},
     "\xff\xd8\xff",
     true},
    {{.name = "vtt", .extension = "vtt", .mime = "text/vtt", .media_class = MR_MEDIA_VIDEO}, "WEBVTT", true},
    {{.name = "json", .extension = "json", .mime = "application/json", .media_class = MR_MEDIA_AUDIO},
     "{",
     false},
    {{.name = "png", .extension = "png", .mime = "image/png", .media_class = MR_MEDIA_VIDEO},
     "\x89PNG",
     false},
};
enum { EXTRAS = sizeof extras / sizeof *extras };

static enum mr_status misplaced(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter wrote %s", what);
}

/* The extra that these first bytes belong to, of those that were asked for. NULL: none. */
static const struct mr_format *find_extra(const struct mr_output_set *set, int64_t offset, const void *data,
                                          size_t len)
{
    for (size_t i = 0; i < EXTRAS && offset == 0; i++) {
        const size_t magic = strlen(extras[i].begins);
        if ((extras[i].is_of_video ? set->has_pictures : set->has_waveform) && len >= magic &&
            memcmp(data, extras[i].begins, magic) == 0)
            return &extras[i].format;
    }
    return NULL;
}

static enum mr_status begin_one(struct mr_output_set *set, const struct mr_format *extra, struct mr_err *err)
{
    set->writer_format = extra ? extra : set->format;
    if (!set->writer_format)
        return misplaced(err, "an output that nobody has asked for");
    mr_object_name_output(set->object, set->count, set->writer_format->extension, set->writer_object);
    return mr_output_writer_new(set->job, set->writer_object, set->writer_format->mime, &set->writer, err);
}

static enum mr_status reserve_output(struct mr_output_set *set, struct mr_err *err)
{
    if (set->count < set->capacity)
        return MR_OK;
    size_t capacity = set->capacity ? set->capacity * 2 : 4;
    struct mr_output *outputs = reallocarray(set->outputs, capacity, sizeof *outputs);
    if (!outputs)
        return mr_fail_oom(err);
    set->outputs = outputs;
    set->capacity = capacity;
    return MR_OK;
}

static enum mr_status finish_one(struct mr_output_set *set, struct mr_err *err)
{
    MR_AUTO(mr_output_writer) struct mr_output_writer *writer = MR_TAKE(set->writer);
    MR_AUTO(mr_output)
    struct mr_output output = {.object = strdup(set->writer_object),
                               .format = strdup(set->writer_format->name),
                               .content_type = strdup(set->writer_format->mime)};
    if (!output.object || !output.format || !output.content_type)
        return mr_fail_oom(err);
    MR_TRY(reserve_output(set, err));
    struct mr_object stored;
    MR_TRY(mr_output_writer_finish(writer, &stored, err));
    output.object_generation = stored.generation;
    output.size = stored.size;
    set->outputs[set->count++] = output;
    output = (struct mr_output){0};
    return MR_OK;
}

enum mr_status mr_output_set_write(struct mr_output_set *set, uint32_t output, int64_t offset,
                                   const void *data, size_t len, struct mr_err *err)
{
    if (output >= MR_OUTPUTS_MAX)
        return misplaced(err, "too many outputs");
    if (set->writer && output == set->count + 1)
        MR_TRY(finish_one(set, err));
    if (!set->writer && output == set->count)
        MR_TRY(begin_one(set, find_extra(set, offset, data, len), err));
    if (!set->writer || output != set->count)
        return misplaced(err, "outputs out of order");
    return mr_output_writer_write(set->writer, offset, data, len, err);
}

enum mr_status mr_output_set_restart(struct mr_output_set *set, struct mr_err *err)
{
    if (set->count > 0)
        return mr_fail(err, MR_INTERNAL, "outputs that are finished cannot be written again");
    mr_output_writer_free(MR_TAKE(set->writer));
    return MR_OK;
}

/* The output is listed before its object is made, so that a failure leaves nothing that mr_output_set_drop does not find. */
enum mr_status mr_output_set_copy(struct mr_output_set *set, const struct mr_output *source,
                                  struct mr_err *err)
{
    const char *dot = strrchr(source->object, '.');
    char name[MR_OBJECT_NAME_SIZE];
    mr_object_name_output(set->object, set->count, dot ? dot + 1 : source->format, name);
    MR_AUTO(mr_output)
    struct mr_output output = {.object = strdup(name),
                               .format = strdup(source->format),
                               .content_type = strdup(source->content_type)};
    if (!output.object || !output.format || !output.content_type)
        return mr_fail_oom(err);
    MR_TRY(reserve_output(set, err));
    struct mr_output *listed = &set->outputs[set->count++];
    *listed = output;
    output = (struct mr_output){0};
    struct mr_object stored;
    MR_TRY(mr_job_note_object(set->job, name, err));
    MR_TRY(mr_storage_copy(set->job->worker->cloud.storage, source->object, source->object_generation, name,
                           source->content_type, &stored, err));
    listed->object_generation = stored.generation;
    listed->size = stored.size;
    if (stored.size != source->size)
        return mr_fail(err, MR_UNAVAILABLE, "copied object has %lld of %lld bytes", (long long)stored.size,
                       (long long)source->size);
    return MR_OK;
}

static bool is_extra(const struct mr_output *output)
{
    for (size_t i = 0; i < EXTRAS; i++)
        if (strcmp(output->format, extras[i].format.name) == 0)
            return true;
    return false;
}

static bool is_text_of_filmstrip(const struct mr_output_set *set, size_t i)
{
    return i < set->count && strcmp(set->outputs[i].format, "vtt") == 0;
}

/* "My video.mp4" for a single output, "My video-1.mp4", "My video-2.mp4", … for several; "My video.jpg" for the thumbnail,
 * "My video.json" for the waveform; "My video-filmstrip.jpg" and "My video-filmstrip.vtt", which names the picture. */
static enum mr_status name_files(struct mr_output_set *set, struct mr_err *err)
{
    size_t parts = 0, part = 0;
    for (size_t i = 0; i < set->count; i++)
        parts += !is_extra(&set->outputs[i]);
    for (size_t i = 0; i < set->count; i++) {
        struct mr_output *output = &set->outputs[i];
        const char *extension = strrchr(output->object, '.');
        char number[32] = "", *name = NULL;
        if (parts > 1 && !is_extra(output))
            snprintf(number, sizeof number, "-%zu", ++part);
        else if (is_extra(output) && (is_text_of_filmstrip(set, i) || is_text_of_filmstrip(set, i + 1)))
            snprintf(number, sizeof number, "-filmstrip");
        if (asprintf(&name, "%s%s%s", set->stem, number, extension) < 0)
            return mr_fail_oom(err);
        output->file_name = name;
    }
    return MR_OK;
}

enum mr_status mr_output_set_finish(struct mr_output_set *set, struct mr_err *err)
{
    if (!set->writer && set->count == 0)
        return set->format ? misplaced(err, "no output") : MR_OK;
    if (set->writer)
        MR_TRY(finish_one(set, err));
    return name_files(set, err);
}

enum mr_status mr_output_set_check(const struct mr_output_set *set, const json_t *receipt, struct mr_err *err)
{
    if (json_array_size(json_object_get(receipt, "outputs")) == set->count)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "receipt of the converter does not match its outputs");
}

enum mr_status mr_output_set_commit(const struct mr_output_set *set, struct mr_job *job,
                                    const json_t *receipt, const json_t *result, bool *ret_committed,
                                    struct mr_err *err)
{
    const struct mr_commit commit = {.outputs = set->outputs,
                                     .count = set->count,
                                     .receipt = receipt,
                                     .result = result,
                                     .made = mr_job_made_from(job)};
    MR_TRY(mr_job_commit(job, &commit, ret_committed, err));
    if (!*ret_committed)
        mr_output_set_drop(set, job);
    return MR_OK;
}

void mr_output_set_drop(const struct mr_output_set *set, struct mr_job *job)
{
    for (size_t i = 0; i < set->count && !mr_slots_stopping(&job->worker->slots); i++)
        mr_job_drop_object(job, set->outputs[i].object);
}

const struct mr_output *mr_output_set_outputs(const struct mr_output_set *set, size_t *ret_count)
{
    *ret_count = set->count;
    return set->outputs;
}

enum mr_status mr_output_set_new(const struct mr_job *job, const struct mr_output_plan *plan,
                                 struct mr_output_set **ret, struct mr_err *err)
{
    MR_AUTO(mr_output_set) struct mr_output_set *set = calloc(1, sizeof *set);
    if (!set)
        return mr_fail_oom(err);
    if (strlen(plan->object) >= sizeof set->object)
        return mr_fail(err, MR_INTERNAL, "object name of the outputs is too long");
    set->job = job;
    set->format = plan->format;
    set->has_pictures =
        json_object_get(plan->options, "thumbnail") || json_object_get(plan->options, "filmstrip");
    set->has_waveform = json_object_get(plan->options, "waveform") != NULL;
    snprintf(set->object, sizeof set->object, "%s", plan->object);
    mr_file_stem(plan->file_name, set->stem);
    *ret = MR_TAKE(set);
    return MR_OK;
}

void mr_output_set_free(struct mr_output_set *set)
{
    if (!set)
        return;
    mr_output_writer_free(set->writer);
    for (size_t i = 0; i < set->count; i++)
        mr_output_free(&set->outputs[i]);
    free(set->outputs);
    free(set);
}
