/* What settings*.c share. The JSON is the subscription's resource, into which defaults are written; what is read
 * from it is borrowed. All fail with MR_INVALID for what Google refuses. */
#ifndef EM_PUBSUB_SETTINGS_INTERNAL_H
#define EM_PUBSUB_SETTINGS_INTERNAL_H

#include "infra/local/emulator/pubsub/settings.h"

/* settings_push.c; *ret is unchanged for a pull subscription. */
MR_MUST_CHECK enum mr_status em_settings_read_push(json_t *push, struct em_push_settings *ret,
                                                   struct mr_err *err);
/* settings_policies.c */
MR_MUST_CHECK enum mr_status em_settings_read_retry(struct em_subscription_settings *settings, json_t *retry,
                                                    struct mr_err *err);
MR_MUST_CHECK enum mr_status em_settings_read_dead_letter(struct em_subscription_settings *settings,
                                                          json_t *policy, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_settings_read_expiration(json_t *policy, struct mr_err *err);
/* Sets object[key] to a duration in microseconds. */
MR_MUST_CHECK enum mr_status em_settings_set_duration(json_t *object, const char *key, int64_t us,
                                                      struct mr_err *err);

#endif
