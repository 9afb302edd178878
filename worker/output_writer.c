#include "worker/output_writer.h"

#include "shared/base/crc32c.h"
#include "shared/data/object_names.h"
#include "shared/data/orphans.h"
#include "worker/protocol.h"

enum { INLINE_MAX = 1 << 20 };

struct mr_output_writer {
    const struct mr_job *job;
    struct mr_storage *storage;
    char name[MR_OBJECT_NAME_SIZE], body_name[MR_OBJECT_NAME_SIZE], head_name[MR_OBJECT_NAME_SIZE];
    char content_type[128];
    struct mr_buf head;       /* bytes 0 … H, which arrive at the end */
    struct mr_buf body;       /* the body, while it is small */
    struct mr_upload *upload; /* of the body, once it is not */
    int64_t body_start;       /* H; -1 until the first frame */
    int64_t body_end;         /* where the next frame of the body must start */
};

static enum mr_status misplaced(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter wrote %s", what);
}

/* A body with a head is stored under a name of its own, to be composed later; a body without one is the
 * result. */
static enum mr_status begin_upload(struct mr_output_writer *writer, struct mr_err *err)
{
    const char *name = writer->body_start > 0 ? writer->body_name : writer->name;
    MR_TRY(mr_job_note_object(writer->job, name, err));
    MR_TRY(mr_upload_begin(writer->storage, name, writer->content_type, &writer->upload, err));
    MR_TRY(mr_upload_write(writer->upload, writer->body.data, writer->body.len, err));
    mr_buf_free(&writer->body);
    return MR_OK;
}

static enum mr_status write_body(struct mr_output_writer *writer, const void *data, size_t len,
                                 struct mr_err *err)
{
    if (!writer->upload && writer->body.len + len > INLINE_MAX)
        MR_TRY(begin_upload(writer, err));
    if (writer->upload)
        MR_TRY(mr_upload_write(writer->upload, data, len, err));
    else
        MR_TRY(mr_buf_append(&writer->body, data, len, err));
    writer->body_end += (int64_t)len;
    return MR_OK;
}

static enum mr_status write_head(struct mr_output_writer *writer, const void *data, size_t len,
                                 struct mr_err *err)
{
    if (writer->body_start == 0)
        return misplaced(err, "a head for a body without one");
    return mr_buf_append(&writer->head, data, len, err);
}

enum mr_status mr_output_writer_write(struct mr_output_writer *writer, int64_t offset, const void *data,
                                      size_t len, struct mr_err *err)
{
    bool is_first = writer->body_start < 0 && writer->head.len == 0;
    if (is_first && offset <= MR_HEAD_MAX)
        writer->body_start = writer->body_end = offset;
    if (offset == writer->body_end && writer->head.len == 0)
        return write_body(writer, data, len, err);
    if (offset == (int64_t)writer->head.len)
        return write_head(writer, data, len, err);
    return misplaced(err, "frames out of order");
}

static enum mr_status put(struct mr_output_writer *writer, const char *name, const struct mr_buf *bytes,
                          struct mr_object *ret, struct mr_err *err)
{
    MR_TRY(mr_job_note_object(writer->job, name, err));
    return mr_storage_put(writer->storage, name, writer->content_type, bytes->data, bytes->len, ret, err);
}

static enum mr_status put_whole(struct mr_output_writer *writer, struct mr_object *ret, struct mr_err *err)
{
    writer->head.max += INLINE_MAX; /* room for the body behind the head */
    MR_TRY(mr_buf_append(&writer->head, writer->body.data, writer->body.len, err));
    return put(writer, writer->name, &writer->head, ret, err);
}

/* A part that cannot be deleted now stays in the ledger for the sweep. */
static void drop_part(struct mr_output_writer *writer, const char *name)
{
    if (mr_storage_delete(writer->storage, name, NULL) == MR_OK)
        (void)!mr_orphans_forget(writer->job->worker->db, name, NULL);
}

/* Cloud Storage composed the right bytes: their number and CRC32C follow from those of the parts. */
static enum mr_status check_composed(const struct mr_object *head, const struct mr_object *body,
                                     const struct mr_object *whole, struct mr_err *err)
{
    if (whole->size != head->size + body->size)
        return mr_fail(err, MR_UNAVAILABLE, "composed object has %lld of %lld bytes", (long long)whole->size,
                       (long long)(head->size + body->size));
    if (!whole->has_crc32c || whole->crc32c != mr_crc32c_combine(head->crc32c, body->crc32c, body->size))
        return mr_fail_code(err, MR_CODE_CORRUPTED, "composed object differs from its parts");
    return MR_OK;
}

static enum mr_status compose_parts(struct mr_output_writer *writer, const struct mr_object *body,
                                    struct mr_object *ret, struct mr_err *err)
{
    const char *const parts[] = {writer->head_name, writer->body_name};
    struct mr_object head;
    MR_TRY(put(writer, writer->head_name, &writer->head, &head, err));
    MR_TRY(mr_job_note_object(writer->job, writer->name, err));
    MR_TRY(mr_storage_compose(writer->storage, parts, 2, writer->name, writer->content_type, ret, err));
    return check_composed(&head, body, ret, err);
}

static enum mr_status compose(struct mr_output_writer *writer, const struct mr_object *body,
                              struct mr_object *ret, struct mr_err *err)
{
    enum mr_status status = compose_parts(writer, body, ret, err);
    drop_part(writer, writer->head_name);
    drop_part(writer, writer->body_name);
    return status;
}

enum mr_status mr_output_writer_finish(struct mr_output_writer *writer, struct mr_object *ret,
                                       struct mr_err *err)
{
    if (writer->body_start < 0 || writer->body_end == 0)
        return misplaced(err, "no output");
    if ((int64_t)writer->head.len < writer->body_start)
        return misplaced(err, "an incomplete head");
    if (!writer->upload)
        return put_whole(writer, ret, err);
    struct mr_object body;
    MR_TRY(mr_upload_finish(writer->upload, &body, err));
    mr_upload_free(MR_TAKE(writer->upload));
    if (writer->body_start > 0)
        return compose(writer, &body, ret, err);
    *ret = body;
    return MR_OK;
}

enum mr_status mr_output_writer_new(const struct mr_job *job, const char *name, const char *content_type,
                                    struct mr_output_writer **ret, struct mr_err *err)
{
    struct mr_output_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return mr_fail_oom(err);
    writer->job = job;
    writer->storage = job->worker->cloud.storage;
    writer->head = MR_BUF_INIT(MR_HEAD_MAX);
    writer->body = MR_BUF_INIT(INLINE_MAX);
    writer->body_start = -1;
    snprintf(writer->name, sizeof writer->name, "%s", name);
    mr_object_name_part(name, "body", writer->body_name);
    mr_object_name_part(name, "head", writer->head_name);
    snprintf(writer->content_type, sizeof writer->content_type, "%s", content_type);
    *ret = writer;
    return MR_OK;
}

void mr_output_writer_free(struct mr_output_writer *writer)
{
    if (!writer)
        return;
    mr_upload_free(writer->upload);
    mr_buf_free(&writer->head);
    mr_buf_free(&writer->body);
    free(writer);
}
