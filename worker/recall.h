/* Tasks that were put off for others, published again as soon as slots are idle. */
#ifndef MR_WORKER_RECALL_H
#define MR_WORKER_RECALL_H

#include "worker/app.h"

/* To be called about once a second. Looks for tasks only when slots are idle, and publishes a few for each, so that the
 * slots stay busy until the next call without filling Pub/Sub's window with tasks of one user. What fails is logged,
 * and left to the next sweep. */
void mr_recall_for_idle_slots(struct mr_worker *worker);

#endif
