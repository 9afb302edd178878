#include "infra/local/emulator/pubsub/ack_id.h"

#include "shared/base/encoding.h"

#include <inttypes.h>

void em_ack_id_format(int64_t lease_id, char out[EM_ACK_ID_MAX])
{
    snprintf(out, EM_ACK_ID_MAX, "ack-%" PRId64, lease_id);
}

bool em_ack_id_parse(const char *text, int64_t *ret_lease_id)
{
    return text && strncmp(text, "ack-", 4) == 0 && mr_parse_int64(text + 4, 1, INT64_MAX, ret_lease_id);
}
