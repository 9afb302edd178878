/* GET /api/tasks and /api/tasks/all. */
#include "shared/base/encoding.h"
#include "web/api/api.h"
#include "web/api/task_filter.h"
#include "web/caller.h"
#include "web/operator.h"

#include <inttypes.h>
#include <strings.h>

/* A page ends before it is longer than MR_TASK_PAGE_BYTES; a single task may be. */
enum { LIST_DEFAULT = 100, LIST_BODY_MAX = 16 << 20, LINK_MAX = 16 << 10, STATUSES_MAX = 256 };

/* A page as it is sent: a JSON array. */
struct list {
    struct mr_buf body;
    int64_t last; /* id of the last task in it */
    bool is_full; /* the bytes of a page: the next task has no room */
    int64_t next; /* the page after it begins behind this id; 0: there is none */
};

static void list_free(struct list *list)
{
    mr_buf_free(&list->body);
}
MR_DEFINE_VALUE_CLEANUP(list, list_free)

/* Appends the task if there is room, the first one in any case. */
static enum mr_status add_to_list(struct list *list, json_t *view, struct mr_err *err)
{
    MR_AUTO_STR char *text = json_dumps(view, MR_JSON_FLAGS);
    if (!text)
        return mr_fail_oom(err);
    list->is_full = list->last && list->body.len + strlen(text) > MR_TASK_PAGE_BYTES;
    if (list->is_full)
        return MR_OK;
    MR_TRY(mr_buf_append_str(&list->body, list->last ? "," : "[", err));
    list->last = json_integer_value(json_object_get(view, "id"));
    return mr_buf_append_str(&list->body, text, err);
}

/* Task by task, so that the page exists once as rows and once as text, never as a whole tree. */
static enum mr_status write_list(const struct mr_task_page *page, struct list *list, struct mr_err *err)
{
    for (int i = 0; i < mr_task_page_count(page) && !list->is_full; i++) {
        MR_AUTO_JSON json_t *view = NULL;
        MR_TRY(mr_task_page_view(page, i, &view, err));
        MR_TRY(add_to_list(list, view, err));
    }
    list->next = list->is_full ? list->last : mr_task_page_next(page);
    return mr_buf_append_str(&list->body, list->last ? "]" : "[]", err);
}

static bool is_of_page(const char *name)
{
    return strcmp(name, "max") == 0 || strcmp(name, "order") == 0 || strcmp(name, "after") == 0;
}

/* RFC 8288: rel="next" when there may be more tasks, with the path and the filters of the request. */
static enum mr_status add_next_link(struct mr_request *req, const struct mr_task_filter *filter,
                                    const struct list *list, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf link = MR_BUF_INIT(LINK_MAX);
    const char *name, *value;
    if (!list->next)
        return MR_OK;
    MR_TRY(mr_buf_appendf(&link, err, "<%s?max=%" PRId64 "&order=%d&after=%" PRId64,
                          mr_request_route(req)->pattern, filter->max, filter->falling, list->next));
    for (size_t i = 0; mr_request_query_at(req, i, &name, &value); i++) {
        if (is_of_page(name))
            continue;
        MR_TRY(mr_buf_appendf(&link, err, "&%s=", name)); /* known, so it needs no escapes */
        MR_TRY(mr_percent_encode(&link, value, false, err));
    }
    MR_TRY(mr_buf_append_str(&link, ">; rel=\"next\"", err));
    return mr_respond_header(req, "Link", mr_buf_str(&link), err);
}

/* `Prefer: count` (RFC 7240), or count=1 in the query. */
static bool wants_count(const struct mr_request *req)
{
    const char *asked = mr_request_query(req, "count"), *prefer = mr_request_header(req, "Prefer");
    return (asked && strcmp(asked, "1") == 0) || (prefer && strcasecmp(prefer, "count") == 0);
}

static enum mr_status add_count(struct mr_web *web, struct mr_request *req, int64_t whose,
                                const struct mr_task_filter *filter, struct mr_err *err)
{
    char text[MR_INT64_TEXT_MAX];
    int64_t count = 0;
    if (!wants_count(req))
        return MR_OK;
    MR_TRY(mr_tasks_count(web->db, whose, filter, &count, err));
    mr_int64_text(count, text);
    return mr_respond_header(req, "Total-Count", text, err);
}

static enum mr_status answer_list(struct mr_web *web, struct mr_request *req, int64_t whose,
                                  struct mr_err *err)
{
    struct mr_task_filter filter = {.max = LIST_DEFAULT};
    MR_AUTO(mr_buf) struct mr_buf statuses = MR_BUF_INIT(STATUSES_MAX);
    MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
    MR_AUTO(list) struct list list = {.body = MR_BUF_INIT(LIST_BODY_MAX)};
    MR_TRY(mr_task_filter_read(req, &statuses, &filter, err));
    MR_TRY(mr_tasks_list(web->db, whose, &filter, &page, err));
    MR_TRY(write_list(page, &list, err));
    mr_task_page_free(MR_TAKE(page)); /* the client may read slowly */
    MR_TRY(add_count(web, req, whose, &filter, err));
    MR_TRY(add_next_link(req, &filter, &list, err));
    return mr_respond_bytes(req, 200, MR_JSON_TYPE, mr_buf_str(&list.body), list.body.len, err);
}

enum mr_status mr_api_task_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    return answer_list(web, req, user_id, err);
}

enum mr_status mr_api_task_list_all(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_operator_admit(web, req, "tasks of all users", &user, err));
    return answer_list(web, req, MR_EVERYBODY, err);
}
