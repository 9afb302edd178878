#include "worker/input_checksum.h"

#include "shared/base/crc32c.h"

enum mr_status mr_input_checksum_init(struct mr_input_checksum *checksum, int64_t size, int64_t block_bytes,
                                      struct mr_err *err)
{
    int64_t count = size / block_bytes + (size % block_bytes != 0);
    *checksum = (struct mr_input_checksum){.size = size, .block_bytes = block_bytes, .count = count};
    checksum->blocks = calloc((size_t)count + 1, sizeof *checksum->blocks);
    checksum->is_known = calloc((size_t)count + 1, sizeof *checksum->is_known);
    if (checksum->blocks && checksum->is_known)
        return MR_OK;
    mr_input_checksum_free(checksum);
    return mr_fail_oom(err);
}

void mr_input_checksum_free(struct mr_input_checksum *checksum)
{
    free(checksum->blocks);
    free(checksum->is_known);
    *checksum = (struct mr_input_checksum){0};
}

void mr_input_checksum_note(struct mr_input_checksum *checksum, int64_t block, uint32_t crc32c)
{
    if (checksum->is_known[block] && checksum->blocks[block] != crc32c)
        checksum->is_damaged = true;
    checksum->blocks[block] = crc32c;
    checksum->is_known[block] = true;
}

static int64_t block_len(const struct mr_input_checksum *checksum, int64_t block)
{
    int64_t left = checksum->size - block * checksum->block_bytes;
    return left < checksum->block_bytes ? left : checksum->block_bytes;
}

static int64_t known_bytes(const struct mr_input_checksum *checksum)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < checksum->count; i++)
        if (checksum->is_known[i])
            sum += block_len(checksum, i);
    return sum;
}

/* Blocks that arrive one after the other. */
struct run {
    struct mr_input_checksum *checksum;
    const struct mr_input_source *source;
    int64_t block;
    int64_t got; /* bytes of the block so far */
    uint32_t crc32c;
};

static enum mr_status take(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct run *run = ctx;
    const char *bytes = data;
    if (run->source->canceled && run->source->canceled(run->source->canceled_ctx))
        return mr_fail(err, MR_CANCELED, "job cancelled");
    while (len) {
        int64_t left = block_len(run->checksum, run->block) - run->got;
        size_t part = (int64_t)len < left ? len : (size_t)left;
        run->crc32c = mr_crc32c(run->crc32c, bytes, part);
        run->got += (int64_t)part;
        bytes += part;
        len -= part;
        if (run->got < block_len(run->checksum, run->block))
            continue;
        mr_input_checksum_note(run->checksum, run->block, run->crc32c);
        run->block++;
        run->got = 0;
        run->crc32c = 0;
    }
    return MR_OK;
}

static enum mr_status read_run(struct mr_input_checksum *checksum, const struct mr_input_source *source,
                               int64_t first, int64_t end, struct mr_err *err)
{
    struct run run = {.checksum = checksum, .source = source, .block = first};
    int64_t last = end - 1;
    int64_t length = (last - first) * checksum->block_bytes + block_len(checksum, last);
    const struct mr_read read = {.name = source->object,
                                 .generation = source->generation,
                                 .offset = first * checksum->block_bytes,
                                 .length = length,
                                 .sink = take,
                                 .sink_ctx = &run};
    MR_TRY(mr_storage_read(source->storage, &read, &checksum->whole, err));
    if (run.block != end)
        return mr_fail(err, MR_UNAVAILABLE, "storage sent too few bytes of the input");
    return MR_OK;
}

/* Reads all blocks that are known, or all that are not. */
static enum mr_status read_blocks(struct mr_input_checksum *checksum, const struct mr_input_source *source,
                                  bool known, struct mr_err *err)
{
    for (int64_t first = 0, end; first < checksum->count; first = end) {
        end = first + 1;
        if (checksum->is_known[first] != known)
            continue;
        while (end < checksum->count && checksum->is_known[end] == known)
            end++;
        MR_TRY(read_run(checksum, source, first, end, err));
    }
    return MR_OK;
}

static enum mr_status learn_whole(struct mr_input_checksum *checksum, const struct mr_input_source *source,
                                  struct mr_err *err)
{
    struct mr_object object;
    if (checksum->whole.is_known)
        return MR_OK;
    MR_TRY(mr_storage_stat(source->storage, source->object, &object, err));
    bool same = !source->generation || object.generation == source->generation;
    checksum->whole = (struct mr_checksum){.is_known = same && object.has_crc32c, .crc32c = object.crc32c};
    return MR_OK;
}

static enum mr_status fail_damaged(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_CORRUPTED, "bytes of the input were damaged on their way from storage");
}

/* All blocks are known. */
static enum mr_status compare(const struct mr_input_checksum *checksum, struct mr_err *err)
{
    uint32_t crc32c = 0;
    for (int64_t i = 0; i < checksum->count; i++)
        crc32c = mr_crc32c_combine(crc32c, checksum->blocks[i], block_len(checksum, i));
    return checksum->whole.is_known && crc32c != checksum->whole.crc32c ? fail_damaged(err) : MR_OK;
}

/* Not all blocks are known: only those that are read twice can be compared. */
static enum mr_status compare_again(struct mr_input_checksum *checksum, const struct mr_input_source *source,
                                    struct mr_err *err)
{
    MR_TRY(read_blocks(checksum, source, true, err));
    return checksum->is_damaged ? fail_damaged(err) : MR_OK;
}

enum mr_status mr_input_checksum_verify(struct mr_input_checksum *checksum,
                                        const struct mr_input_source *source, struct mr_err *err)
{
    int64_t known = known_bytes(checksum), missing = checksum->size - known;
    if (checksum->is_damaged)
        return fail_damaged(err);
    if (known == 0)
        return MR_OK;
    if (missing > source->max_bytes)
        return known > source->max_bytes ? MR_OK : compare_again(checksum, source, err);
    MR_TRY(read_blocks(checksum, source, false, err));
    MR_TRY(learn_whole(checksum, source, err));
    return compare(checksum, err);
}
