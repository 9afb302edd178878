#include "worker/sandbox_output_order.h"

static bool has_head(const struct mr_output_order *order)
{
    return order->head_end >= order->body_start;
}

int64_t mr_output_order_size(const struct mr_output_order *order)
{
    return order->earlier + order->head_end + order->body_end - order->body_start;
}

bool mr_output_order_is_complete(const struct mr_output_order *order)
{
    return !order->begun || has_head(order);
}

/* The number of the output may rise by one, and only when the current output is complete. */
static bool admit_output(struct mr_output_order *order, uint32_t output)
{
    if (output == order->output)
        return true;
    if (output != order->output + 1 || output >= MR_OUTPUTS_MAX || !order->begun || !has_head(order))
        return false;
    *order = (struct mr_output_order){.output = output, .earlier = mr_output_order_size(order)};
    return true;
}

static bool admit_bytes(struct mr_output_order *order, int64_t offset, int64_t len)
{
    if (!order->begun) {
        if (offset > MR_HEAD_MAX)
            return false;
        order->begun = true;
        order->body_start = order->body_end = offset;
    }
    if (!order->in_head && offset == order->body_end && offset <= INT64_MAX - len) {
        order->body_end += len;
        return true;
    }
    order->in_head = true;
    if (order->body_start == 0 || offset != order->head_end || order->head_end + len > MR_HEAD_MAX)
        return false;
    order->head_end += len;
    return true;
}

bool mr_output_order_admit(struct mr_output_order *order, const struct mr_output_frame *frame)
{
    return frame->len > 0 && frame->offset >= 0 && admit_output(order, frame->output) &&
           admit_bytes(order, frame->offset, frame->len);
}
