/* GET /api/tasks/{id}/events and GET /api/events: Server-Sent Events (web/event_hub.h). */
#include "shared/data/events.h"

#include "shared/base/encoding.h"
#include "web/api/api.h"
#include "web/caller.h"
#include "web/users.h"

/* The caller of one of the two routes. */
struct listener {
    struct mr_event_subscription subscription;
    bool returns;    /* the client reconnects … */
    int64_t last_id; /* … and this was the last event that it received */
};

static enum mr_status read_listener(struct mr_web *web, const struct mr_request *req, struct listener *ret,
                                    struct mr_err *err)
{
    struct mr_caller caller = {0};
    MR_TRY(mr_caller_of_stream(web, req, &caller, err));
    ret->subscription.user_id = caller.user_id;
    ret->subscription.is_guest = caller.is_guest;
    ret->subscription.expires_s = caller.expires_s;
    const char *text = mr_request_header(req, "Last-Event-ID");
    ret->returns = text && text[0]; /* clients without an id may send an empty one */
    if (ret->returns && !mr_parse_int64(text, 0, INT64_MAX, &ret->last_id))
        return mr_fail_code(err, MR_CODE_BAD_LAST_EVENT_ID,
                            "Last-Event-ID must be the id of an event; leave it out to start from now");
    return MR_OK;
}

static enum mr_status send_head(struct mr_request *req, int *ret_fd, struct mr_err *err)
{
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-cache", err));
    /* Without it nginx and similar proxies hold events back until a buffer is full. */
    MR_TRY(mr_respond_header(req, "X-Accel-Buffering", "no", err));
    return mr_respond_detach(req, 200, "text/event-stream", ret_fd, err);
}

/* Operators have no quota; who is one is asked only when it matters. */
static enum mr_status reserve(struct mr_web *web, const struct mr_event_subscription *subscription,
                              struct mr_event_stream **ret, struct mr_err *err)
{
    enum mr_status status = mr_event_hub_reserve(web->events, subscription, ret, err);
    if (status == MR_OK || !mr_quota_refused(err))
        return status;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_user_get(web->db, subscription->user_id, &user, err));
    if (!user.is_operator)
        return status;
    struct mr_event_subscription exempt = *subscription;
    exempt.is_exempt = true;
    return mr_event_hub_reserve(web->events, &exempt, ret, err);
}

static enum mr_status open_stream(struct mr_web *web, struct mr_request *req,
                                  const struct mr_event_subscription *subscription, struct mr_err *err)
{
    struct mr_event_stream *stream = NULL;
    int fd = -1;
    MR_TRY(reserve(web, subscription, &stream, err));
    enum mr_status status = send_head(req, &fd, err);
    if (fd >= 0)
        mr_event_hub_attach(web->events, stream, fd);
    else
        mr_event_hub_cancel(web->events, stream);
    return status;
}

enum mr_status mr_api_task_events(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct listener listener = {0};
    MR_AUTO(mr_task_events) struct mr_task_events found = {0};
    MR_TRY(read_listener(web, req, &listener, err));
    MR_TRY(mr_events_find(web->db, listener.subscription.user_id, mr_request_param(req, "id"), &found, err));
    const struct mr_task_event *newest = &found.items[0];
    if (listener.returns && listener.last_id >= newest->event_id && newest->is_final)
        return mr_respond_empty(req, 204, err); /* an EventSource does not reconnect after 204 */
    listener.subscription.task_id = newest->task_id;
    return open_stream(web, req, &listener.subscription, err);
}

enum mr_status mr_api_events(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct listener listener = {0};
    int64_t newest = 0;
    MR_TRY(read_listener(web, req, &listener, err));
    MR_TRY(mr_events_last(web->db, &newest, err));
    listener.subscription.resumes = listener.returns;
    listener.subscription.seen = listener.returns && listener.last_id < newest ? listener.last_id : newest;
    return open_stream(web, req, &listener.subscription, err);
}
