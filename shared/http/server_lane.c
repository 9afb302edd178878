#include "shared/http/server_internal.h"

enum { LANE_STACK = 2 * 1024 * 1024 }; /* address space; only touched pages take memory */

struct mr_lane {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* All fields below are protected by lock. */
    mr_lane_job *job; /* NULL when there is nothing to do */
    void *ctx;
    bool ended;
};

static void *lane_main(void *arg)
{
    struct mr_lane *lane = arg;
    pthread_mutex_lock(&lane->lock);
    for (;;) {
        while (!lane->job && !lane->ended)
            pthread_cond_wait(&lane->changed, &lane->lock);
        if (!lane->job)
            break;
        mr_lane_job *job = lane->job;
        void *ctx = lane->ctx;
        pthread_mutex_unlock(&lane->lock);
        job(ctx);
        pthread_mutex_lock(&lane->lock);
        lane->job = NULL;
        /* Only the lane and its one civetweb thread ever wait here, never both. */
        pthread_cond_signal(&lane->changed);
    }
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

static enum mr_status start_lane(struct mr_lane *lane, struct mr_err *err)
{
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->changed, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, LANE_STACK);
    int fault = pthread_create(&lane->thread, &attributes, lane_main, lane);
    pthread_attr_destroy(&attributes);
    if (!fault)
        return MR_OK;
    pthread_cond_destroy(&lane->changed);
    pthread_mutex_destroy(&lane->lock);
    return mr_fail_errno(err, MR_EXHAUSTED, fault, "start a request thread");
}

enum mr_status mr_lanes_start(size_t count, struct mr_lane **ret, struct mr_err *err)
{
    struct mr_lane *lanes = calloc(count, sizeof *lanes);
    if (!lanes)
        return mr_fail_oom(err);
    for (size_t i = 0; i < count; i++) {
        enum mr_status status = start_lane(&lanes[i], err);
        if (status != MR_OK) {
            mr_lanes_stop(lanes, i);
            return status;
        }
    }
    *ret = lanes;
    return MR_OK;
}

void mr_lanes_stop(struct mr_lane *lanes, size_t count)
{
    for (size_t i = 0; lanes && i < count; i++) {
        struct mr_lane *lane = &lanes[i];
        pthread_mutex_lock(&lane->lock);
        lane->ended = true;
        pthread_cond_signal(&lane->changed);
        pthread_mutex_unlock(&lane->lock);
        pthread_join(lane->thread, NULL);
        pthread_cond_destroy(&lane->changed);
        pthread_mutex_destroy(&lane->lock);
    }
    free(lanes);
}

struct mr_lane *mr_lane_at(struct mr_lane *lanes, size_t index)
{
    return &lanes[index];
}

void mr_lane_run(struct mr_lane *lane, mr_lane_job *job, void *ctx)
{
    pthread_mutex_lock(&lane->lock);
    lane->job = job;
    lane->ctx = ctx;
    pthread_cond_signal(&lane->changed);
    while (lane->job)
        pthread_cond_wait(&lane->changed, &lane->lock);
    pthread_mutex_unlock(&lane->lock);
}
