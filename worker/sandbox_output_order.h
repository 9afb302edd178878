/*
 * Whether the output frames of a child come in the order that protocol.h demands: of each output the body,
 * then the head; one output after the other. It keeps numbers only, the bytes are the caller's. Private to
 * sandbox*.c; used by the thread of the job.
 */
#ifndef MR_WORKER_SANDBOX_OUTPUT_ORDER_H
#define MR_WORKER_SANDBOX_OUTPUT_ORDER_H

#include "worker/protocol.h"

#include <stdbool.h>

/* Zero-initialise. */
struct mr_output_order {
    uint32_t output; /* the output that is being written; all outputs before it are complete */
    bool begun;
    bool in_head;
    int64_t body_start;
    int64_t body_end;
    int64_t head_end;
    int64_t earlier; /* bytes of the complete outputs */
};

/* Notes a frame; false if it is out of order or its fields are out of range. */
bool mr_output_order_admit(struct mr_output_order *order, const struct mr_output_frame *frame);

/* Bytes of all outputs so far. */
int64_t mr_output_order_size(const struct mr_output_order *order);

/* False while the current output lacks a part of its head. True without any output. */
bool mr_output_order_is_complete(const struct mr_output_order *order);

#endif
