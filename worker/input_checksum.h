/*
 * Whether the bytes that a job read are those of the object. A range has no checksum of its own, so the CRC32C of
 * each block is kept (5 bytes for each MiB). All blocks together must give the object's checksum, whatever the order
 * in which they were read; a block that is read twice must be the same twice.
 *
 * Owned by one thread at a time.
 */
#ifndef MR_WORKER_INPUT_CHECKSUM_H
#define MR_WORKER_INPUT_CHECKSUM_H

#include "shared/gcp/storage.h"

struct mr_input_checksum {
    int64_t size;        /* of the object, bytes */
    int64_t block_bytes; /* of every block but the last */
    int64_t count;
    uint32_t *blocks;
    bool *is_known;
    struct mr_checksum whole;
    bool is_damaged; /* two reads of a block differed */
};

MR_MUST_CHECK enum mr_status mr_input_checksum_init(struct mr_input_checksum *checksum, int64_t size,
                                                    int64_t block_bytes, struct mr_err *err);
void mr_input_checksum_free(struct mr_input_checksum *checksum);

/* A block was read, and has this CRC32C. */
void mr_input_checksum_note(struct mr_input_checksum *checksum, int64_t block, uint32_t crc32c);

/* The object whose bytes these are, and how much may be read to verify them. */
struct mr_input_source {
    struct mr_storage *storage;
    const char *object;
    int64_t generation;
    int64_t max_bytes;
    bool (*canceled)(void *ctx); /* true: MR_CANCELED. May be NULL */
    void *canceled_ctx;
};

/*
 * Compares what was read with the object. Blocks that were not read are read now, up to max_bytes. If they are more,
 * the blocks that were read are read once more, up to max_bytes, which finds damage that does not repeat; if they are
 * more as well, nothing is verified. MR_UNAVAILABLE with code "corrupted": some bytes were damaged, and nothing that
 * was made from them counts. Failures of storage are returned.
 */
MR_MUST_CHECK enum mr_status mr_input_checksum_verify(struct mr_input_checksum *checksum,
                                                      const struct mr_input_source *source,
                                                      struct mr_err *err);

#endif
