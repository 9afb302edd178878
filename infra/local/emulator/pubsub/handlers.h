/* The handlers of Pub/Sub's routes; the table is in pubsub/pubsub.c. */
#ifndef EM_PUBSUB_HANDLERS_H
#define EM_PUBSUB_HANDLERS_H

#include "shared/http/server.h"

/* Size limits of request bodies, in bytes. */
enum {
    EM_PUBSUB_BODY_MAX = 1 << 20,
    EM_PUBLISH_BODY_MAX = 16 << 20, /* 10 MB of data as base64, and the JSON around it */
};

/* topic_handlers.c */
mr_handler em_topic_put, em_topic_get, em_topic_list, em_topic_delete;
mr_handler em_topic_subscriptions, em_topic_test_permissions;
/* publish_handler.c */
mr_handler em_topic_publish;
/* subscription_handlers.c */
mr_handler em_subscription_put, em_subscription_get, em_subscription_list, em_subscription_patch;
mr_handler em_subscription_delete, em_subscription_modify_push_config, em_subscription_detach;
mr_handler em_subscription_seek;
/* pull_handler.c */
mr_handler em_subscription_pull;
/* ack_handlers.c */
mr_handler em_subscription_acknowledge, em_subscription_modify_ack_deadline;

#endif
