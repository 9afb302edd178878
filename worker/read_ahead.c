#include "worker/read_ahead.h"

#include "shared/base/crc32c.h"
#include "worker/input_checksum.h"

#include <pthread.h>

enum { BLOCK_BYTES = 1 << 20, BLOCKS = 4, BLOCKS_AHEAD = 2, LOADS_MAX = 3 };

enum block_state { EMPTY, WANTED, LOADING, READY, FAILED };

struct block {
    enum block_state state;
    int64_t index; /* the block starts at index * BLOCK_BYTES */
    size_t len;
    char *data;        /* BLOCK_BYTES, allocated on first use; written by the loader alone while LOADING */
    uint64_t last_use; /* the reader's clock at its last use */
    struct mr_err err; /* of FAILED */
};

struct mr_read_ahead {
    struct mr_storage *storage;
    const char *object;
    int64_t generation;
    int64_t size;
    struct mr_input_checksum checksum; /* the loader's alone while it runs */
    bool loading;                      /* the loader runs */
    pthread_t loader;
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t wanted;
    pthread_cond_t loaded;
    struct block blocks[BLOCKS];
    int64_t demanded; /* the block that the reader waits for, or -1; loaded before the others */
    uint64_t clock;
    bool stopping;
};

/* One block being loaded, by the loader thread. */
struct load {
    struct mr_read_ahead *input;
    struct block *block;
    size_t expected;
};

static bool stopping(struct mr_read_ahead *input)
{
    pthread_mutex_lock(&input->lock);
    bool stop = input->stopping;
    pthread_mutex_unlock(&input->lock);
    return stop;
}

static enum mr_status take_bytes(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct load *load = ctx;
    if (stopping(load->input))
        return mr_fail(err, MR_CANCELED, "job has ended");
    if (len > load->expected - load->block->len)
        return mr_fail(err, MR_UNAVAILABLE, "storage sent more bytes than requested");
    memcpy(load->block->data + load->block->len, data, len);
    load->block->len += len;
    return MR_OK;
}

/* An object of a single block is verified by the read itself: then damage is read again here. */
static enum mr_status read_block(struct load *load, const struct mr_read *read, struct mr_err *err)
{
    struct mr_err failure = {0};
    for (int i = 0; i < LOADS_MAX; i++) {
        load->block->len = 0;
        if (mr_storage_read(load->input->storage, read, &load->input->checksum.whole, &failure) == MR_OK)
            return MR_OK;
        if (failure.code != MR_CODE_CORRUPTED)
            break;
    }
    return mr_fail_from(err, &failure);
}

static enum mr_status load_block(struct mr_read_ahead *input, struct block *block, struct mr_err *err)
{
    int64_t offset = block->index * BLOCK_BYTES;
    int64_t left = input->size - offset;
    struct load load = {input, block, (size_t)(left < BLOCK_BYTES ? left : BLOCK_BYTES)};
    const struct mr_read read = {.name = input->object,
                                 .generation = input->generation,
                                 .offset = offset,
                                 .length = (int64_t)load.expected,
                                 .sink = take_bytes,
                                 .sink_ctx = &load};
    if (!block->data && !(block->data = malloc(BLOCK_BYTES)))
        return mr_fail_oom(err);
    MR_TRY(read_block(&load, &read, err));
    if (block->len != load.expected)
        return mr_fail(err, MR_UNAVAILABLE, "storage sent %zu of %zu bytes", block->len, load.expected);
    mr_input_checksum_note(&input->checksum, block->index, mr_crc32c(0, block->data, block->len));
    return MR_OK;
}

static struct block *next_wanted_locked(struct mr_read_ahead *input)
{
    struct block *any = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = &input->blocks[i];
        if (block->state != WANTED)
            continue;
        if (block->index == input->demanded)
            return block;
        any = block;
    }
    return any;
}

static void *loader(void *arg)
{
    struct mr_read_ahead *input = arg;
    pthread_mutex_lock(&input->lock);
    while (!input->stopping) {
        struct block *block = next_wanted_locked(input);
        if (!block) {
            pthread_cond_wait(&input->wanted, &input->lock);
            continue;
        }
        block->state = LOADING;
        pthread_mutex_unlock(&input->lock);
        struct mr_err err = {0};
        enum mr_status status = load_block(input, block, &err);
        pthread_mutex_lock(&input->lock);
        block->state = status == MR_OK ? READY : FAILED;
        block->err = err;
        pthread_cond_signal(&input->loaded);
    }
    pthread_mutex_unlock(&input->lock);
    return NULL;
}

static struct block *find_locked(struct mr_read_ahead *input, int64_t index)
{
    for (int i = 0; i < BLOCKS; i++)
        if (input->blocks[i].state != EMPTY && input->blocks[i].index == index)
            return &input->blocks[i];
    return NULL;
}

/* Asks for a block in place of the least recently used one that is not being loaded; NULL if all are. */
static struct block *want_locked(struct mr_read_ahead *input, int64_t index, const struct block *spare)
{
    struct block *victim = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        struct block *block = &input->blocks[i];
        if (block == spare || block->state == LOADING)
            continue;
        if (!victim || block->state == EMPTY ||
            (victim->state != EMPTY && block->last_use < victim->last_use))
            victim = block;
    }
    if (!victim)
        return NULL;
    victim->state = WANTED;
    victim->index = index;
    victim->last_use = ++input->clock;
    pthread_cond_signal(&input->wanted);
    return victim;
}

/* Waits until the block is READY or FAILED. The next read asks for a failed block again, this one does not. */
static struct block *demand_locked(struct mr_read_ahead *input, int64_t index)
{
    input->demanded = index;
    for (;;) {
        struct block *block = find_locked(input, index);
        if (!block)
            block = want_locked(input, index, NULL);
        if (block && (block->state == READY || block->state == FAILED)) {
            input->demanded = -1;
            return block;
        }
        pthread_cond_wait(&input->loaded, &input->lock);
    }
}

/* So that the loader has always something to do while the reader moves forward. */
static void want_next_locked(struct mr_read_ahead *input, const struct block *current)
{
    int64_t end = (input->size + BLOCK_BYTES - 1) / BLOCK_BYTES;
    for (int64_t i = current->index + 1; i < end && i <= current->index + BLOCKS_AHEAD; i++) {
        struct block *next = find_locked(input, i);
        if (!next)
            want_locked(input, i, current);
        if (!next || next->state != READY)
            return;
        next->last_use = ++input->clock;
    }
}

static enum mr_status read_locked(struct mr_read_ahead *input, int64_t offset, void *data, size_t len,
                                  size_t *ret_len, struct mr_err *err)
{
    int64_t index = offset / BLOCK_BYTES;
    struct block *block = demand_locked(input, index);
    if (block->state == FAILED) {
        block->state = EMPTY;
        return mr_fail_from(err, &block->err);
    }
    size_t start = (size_t)(offset % BLOCK_BYTES);
    size_t count = block->len - start < len ? block->len - start : len;
    memcpy(data, block->data + start, count);
    *ret_len = count;
    block->last_use = ++input->clock;
    want_next_locked(input, block);
    return MR_OK;
}

enum mr_status mr_read_ahead_read(struct mr_read_ahead *input, int64_t offset, void *data, size_t len,
                                  size_t *ret_len, struct mr_err *err)
{
    if (offset < 0)
        return mr_fail(err, MR_INVALID, "offset of a read is negative");
    if (offset >= input->size || len == 0) {
        *ret_len = 0;
        return MR_OK;
    }
    pthread_mutex_lock(&input->lock);
    enum mr_status status = read_locked(input, offset, data, len, ret_len, err);
    pthread_mutex_unlock(&input->lock);
    return status;
}

static void stop_loader(struct mr_read_ahead *input)
{
    if (!input->loading)
        return;
    pthread_mutex_lock(&input->lock);
    input->stopping = true;
    pthread_cond_signal(&input->wanted);
    pthread_mutex_unlock(&input->lock);
    pthread_join(input->loader, NULL);
    input->loading = false;
}

enum mr_status mr_read_ahead_verify(struct mr_read_ahead *input, int64_t max_bytes,
                                    bool (*canceled)(void *ctx), void *canceled_ctx, struct mr_err *err)
{
    const struct mr_input_source source = {.storage = input->storage,
                                           .object = input->object,
                                           .generation = input->generation,
                                           .max_bytes = max_bytes,
                                           .canceled = canceled,
                                           .canceled_ctx = canceled_ctx};
    stop_loader(input);
    enum mr_status status = mr_input_checksum_verify(&input->checksum, &source, err);
    return mr_wrap(err, status, "verify the input");
}

struct mr_checksum mr_read_ahead_whole(const struct mr_read_ahead *input)
{
    return input->checksum.whole;
}

enum mr_status mr_read_ahead_new(struct mr_storage *storage, const char *object, int64_t generation,
                                 int64_t size, struct mr_read_ahead **ret, struct mr_err *err)
{
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = calloc(1, sizeof *input);
    if (!input)
        return mr_fail_oom(err);
    input->storage = storage;
    input->object = object;
    input->generation = generation;
    input->size = size;
    input->demanded = -1;
    pthread_mutex_init(&input->lock, NULL);
    pthread_cond_init(&input->wanted, NULL);
    pthread_cond_init(&input->loaded, NULL);
    MR_TRY(mr_input_checksum_init(&input->checksum, size, BLOCK_BYTES, err));
    int failure = pthread_create(&input->loader, NULL, loader, input);
    if (failure)
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the loader thread");
    input->loading = true;
    *ret = MR_TAKE(input);
    return MR_OK;
}

void mr_read_ahead_free(struct mr_read_ahead *input)
{
    if (!input)
        return;
    stop_loader(input);
    for (int i = 0; i < BLOCKS; i++)
        free(input->blocks[i].data);
    mr_input_checksum_free(&input->checksum);
    pthread_cond_destroy(&input->loaded);
    pthread_cond_destroy(&input->wanted);
    pthread_mutex_destroy(&input->lock);
    free(input);
}
