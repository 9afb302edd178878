#include "infra/local/emulator/pubsub/filter_internal.h"

void em_filter_free(struct em_filter *filter)
{
    if (!filter)
        return;
    em_filter_free(filter->left);
    em_filter_free(filter->right);
    free(filter->key);
    free(filter->value);
    free(filter);
}

bool em_filter_matches(const struct em_filter *filter, const json_t *attributes)
{
    if (!filter)
        return true;
    const char *value = filter->key ? json_string_value(json_object_get(attributes, filter->key)) : NULL;
    switch (filter->kind) {
    case NODE_HAS:
        return value != NULL;
    case NODE_EQUAL:
        return value && strcmp(value, filter->value) == 0;
    case NODE_NOT_EQUAL:
        return !value || strcmp(value, filter->value) != 0;
    case NODE_PREFIX:
        return value && strncmp(value, filter->value, strlen(filter->value)) == 0;
    case NODE_NOT:
        return !em_filter_matches(filter->left, attributes);
    case NODE_AND:
        return em_filter_matches(filter->left, attributes) && em_filter_matches(filter->right, attributes);
    case NODE_OR:
        return em_filter_matches(filter->left, attributes) || em_filter_matches(filter->right, attributes);
    }
    return false;
}
