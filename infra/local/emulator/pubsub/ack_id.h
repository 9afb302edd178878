/* Ack ids: the text form of a lease id. */
#ifndef EM_PUBSUB_ACK_ID_H
#define EM_PUBSUB_ACK_ID_H

#include <stdbool.h>
#include <stdint.h>

enum { EM_ACK_ID_MAX = 40 };
void em_ack_id_format(int64_t lease_id, char out[EM_ACK_ID_MAX]);
/* False for anything that em_ack_id_format does not write; text may be NULL. */
bool em_ack_id_parse(const char *text, int64_t *ret_lease_id);

#endif
