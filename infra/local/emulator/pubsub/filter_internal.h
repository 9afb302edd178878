/* The syntax tree of a filter: shared by filter.c and filter_parse.c. */
#ifndef EM_PUBSUB_FILTER_INTERNAL_H
#define EM_PUBSUB_FILTER_INTERNAL_H

#include "infra/local/emulator/pubsub/filter.h"

enum node_kind { NODE_HAS, NODE_EQUAL, NODE_NOT_EQUAL, NODE_PREFIX, NODE_NOT, NODE_AND, NODE_OR };

struct em_filter {
    enum node_kind kind;
    char *key;
    char *value;
    struct em_filter *left; /* of NOT, AND, OR */
    struct em_filter *right;
};

#endif
