#include "worker/unit_reader.h"

enum { VERIFY_MAX = 1 << 30 };

void mr_unit_reader_free(struct mr_unit_reader *reader)
{
    for (size_t i = 0; i < MR_UNIT_JOIN; i++) {
        mr_read_ahead_free(reader->cursors[i].open);
        reader->cursors[i].open = NULL;
    }
}

static enum mr_status leave(struct mr_unit_reader *reader, struct mr_unit_cursor *cursor, struct mr_err *err)
{
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *open = MR_TAKE(cursor->open);
    return open ? mr_read_ahead_verify(open, VERIFY_MAX, reader->canceled, reader->canceled_ctx, err) : MR_OK;
}

enum mr_status mr_unit_reader_finish(struct mr_unit_reader *reader, struct mr_err *err)
{
    for (size_t i = 0; i < MR_UNIT_JOIN; i++)
        MR_TRY(leave(reader, &reader->cursors[i], err));
    return MR_OK;
}

static enum mr_status open_part(struct mr_unit_reader *reader, size_t index, struct mr_read_ahead **ret,
                                struct mr_err *err)
{
    const struct mr_unit_part *part = &reader->parts->parts[index];
    struct mr_unit_cursor *cursor = &reader->cursors[part->kind];
    if (!cursor->open || cursor->at != index) {
        MR_TRY(leave(reader, cursor, err));
        cursor->at = index;
        MR_TRY(mr_read_ahead_new(reader->storage, part->object, part->object_generation, part->object_size,
                                 &cursor->open, err));
    }
    *ret = cursor->open;
    return MR_OK;
}

enum mr_status mr_unit_reader_read(struct mr_unit_reader *reader, int64_t offset, void *buf, size_t len,
                                   size_t *ret_len, struct mr_err *err)
{
    if (!reader)
        return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL,
                            "converter asked for units of a job without units");
    for (size_t i = 0; i < reader->parts->count; i++) {
        int64_t size = reader->parts->parts[i].object_size;
        if (offset < size) {
            struct mr_read_ahead *open = NULL;
            MR_TRY(open_part(reader, i, &open, err));
            enum mr_status status = mr_read_ahead_read(open, offset, buf, len, ret_len, err);
            if (status == MR_NOT_FOUND) /* lost by us, unless the task has just ended */
                return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "what a unit has made is lost");
            return status == MR_OK ? MR_OK : mr_wrap(err, status, "read a unit");
        }
        offset -= size;
    }
    *ret_len = 0;
    return MR_OK;
}
