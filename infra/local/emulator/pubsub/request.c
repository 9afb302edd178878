#include "infra/local/emulator/pubsub/request.h"

#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/subscription.h"
#include "infra/local/emulator/pubsub/topic.h"

enum mr_status em_respond_empty_object(struct mr_request *req, struct mr_err *err)
{
    return mr_respond_json(req, 200, json_object(), err);
}

enum mr_status em_topic_lock(struct em_pubsub *pubsub, const struct mr_request *req, struct em_topic **ret,
                             struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    MR_TRY(em_resource_name_of(req, "topics", "t", &name, err));
    em_pubsub_lock(pubsub);
    enum mr_status status = em_topic_find_locked(pubsub, name, ret, err);
    if (status != MR_OK)
        em_pubsub_unlock(pubsub);
    return status;
}

enum mr_status em_subscription_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                    struct em_subscription **ret, struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    MR_TRY(em_resource_name_of(req, "subscriptions", "s", &name, err));
    em_pubsub_lock(pubsub);
    enum mr_status status = em_subscription_find_locked(pubsub, name, ret, err);
    if (status != MR_OK)
        em_pubsub_unlock(pubsub);
    return status;
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Fills answer[collection] with the resources of one page below prefix. False without memory. */
static bool fill_page_locked(json_t *answer, const struct em_registry *registry, const char *collection,
                             const char *prefix, const struct em_page *page, em_resource_of *resource_of)
{
    json_t *items = json_object_get(answer, collection);
    const char *last = "";
    size_t i = em_registry_after(registry, strcmp(page->after, prefix) > 0 ? page->after : prefix);
    for (; i < registry->count && json_array_size(items) < page->size; i++) {
        last = registry->entries[i].name;
        if (!begins_with(last, prefix))
            return true;
        if (json_array_append_new(items, json_deep_copy(resource_of(registry->entries[i].value))) != 0)
            return false;
    }
    if (i < registry->count && begins_with(registry->entries[i].name, prefix))
        return json_object_set_new(answer, "nextPageToken", json_string(last)) == 0;
    return true;
}

enum mr_status em_respond_page(struct em_pubsub *pubsub, struct mr_request *req,
                               const struct em_registry *registry, const char *collection,
                               em_resource_of *resource_of, struct mr_err *err)
{
    struct em_page page;
    MR_AUTO_STR char *prefix = NULL;
    MR_TRY(em_page_of(req, &page, err));
    if (asprintf(&prefix, "projects/%s/%s/", mr_request_param(req, "p"), collection) < 0)
        return mr_fail_oom(err);
    MR_AUTO_JSON json_t *answer = json_pack("{s:[]}", collection);
    if (!answer)
        return mr_fail_oom(err);
    em_pubsub_lock(pubsub);
    bool filled = fill_page_locked(answer, registry, collection, prefix, &page, resource_of);
    em_pubsub_unlock(pubsub);
    if (!filled)
        return mr_fail_oom(err);
    /* As with Google, an empty list is absent. */
    if (json_array_size(json_object_get(answer, collection)) == 0)
        json_object_del(answer, collection);
    return mr_respond_json(req, 200, MR_TAKE(answer), err);
}
