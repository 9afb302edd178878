/* The messages of units, as soon as they are owed. What cannot be published now is left to the sweep. Any thread. */
#ifndef MR_WORKER_PUBLISH_UNITS_H
#define MR_WORKER_PUBLISH_UNITS_H

#include "shared/data/units.h"
#include "worker/app.h"

/* Those of the claim's task that are owed. */
void mr_publish_units(struct mr_worker *worker, const struct mr_claim *claim, const struct mr_log *log);
/* The message of a task that waits as one job again. */
void mr_publish_again(struct mr_worker *worker, const struct mr_message *message, const struct mr_log *log);

#endif
