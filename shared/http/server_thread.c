#include "shared/http/server_thread.h"

#include <pthread.h>
#include <stdatomic.h>

enum { STACK_BYTES = 2 * 1024 * 1024 }; /* of address space; only used pages take memory */

struct mr_request_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* All fields below are protected by lock. */
    void (*function)(void *ctx); /* NULL when there is nothing to do */
    void *ctx;
    bool ended;
};

struct mr_request_threads {
    atomic_size_t claimed;
    size_t count;
    struct mr_request_thread items[];
};

static void *thread_main(void *arg)
{
    struct mr_request_thread *thread = arg;
    pthread_mutex_lock(&thread->lock);
    for (;;) {
        while (!thread->function && !thread->ended)
            pthread_cond_wait(&thread->changed, &thread->lock);
        if (!thread->function)
            break;
        void (*function)(void *) = thread->function;
        void *ctx = thread->ctx;
        pthread_mutex_unlock(&thread->lock);
        function(ctx);
        pthread_mutex_lock(&thread->lock);
        thread->function = NULL;
        /* Only this thread and its civetweb thread wait on the condition, never both at once. */
        pthread_cond_signal(&thread->changed);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

static enum mr_status start(struct mr_request_thread *thread, struct mr_err *err)
{
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->changed, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int fault = pthread_create(&thread->thread, &attributes, thread_main, thread);
    pthread_attr_destroy(&attributes);
    if (!fault)
        return MR_OK;
    pthread_cond_destroy(&thread->changed);
    pthread_mutex_destroy(&thread->lock);
    return mr_fail_errno(err, MR_EXHAUSTED, fault, "start a request thread");
}

enum mr_status mr_request_threads_start(size_t count, struct mr_request_threads **ret, struct mr_err *err)
{
    struct mr_request_threads *threads = calloc(1, sizeof *threads + count * sizeof *threads->items);
    if (!threads)
        return mr_fail_oom(err);
    for (; threads->count < count; threads->count++) {
        enum mr_status status = start(&threads->items[threads->count], err);
        if (status != MR_OK) {
            mr_request_threads_stop(threads);
            return status;
        }
    }
    *ret = threads;
    return MR_OK;
}

void mr_request_threads_stop(struct mr_request_threads *threads)
{
    for (size_t i = 0; threads && i < threads->count; i++) {
        struct mr_request_thread *thread = &threads->items[i];
        pthread_mutex_lock(&thread->lock);
        thread->ended = true;
        pthread_cond_signal(&thread->changed);
        pthread_mutex_unlock(&thread->lock);
        pthread_join(thread->thread, NULL);
        pthread_cond_destroy(&thread->changed);
        pthread_mutex_destroy(&thread->lock);
    }
    free(threads);
}

struct mr_request_thread *mr_request_threads_claim(struct mr_request_threads *threads)
{
    return &threads->items[atomic_fetch_add(&threads->claimed, 1)];
}

void mr_request_thread_run(struct mr_request_thread *thread, void (*function)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&thread->lock);
    thread->function = function;
    thread->ctx = ctx;
    pthread_cond_signal(&thread->changed);
    while (thread->function)
        pthread_cond_wait(&thread->changed, &thread->lock);
    pthread_mutex_unlock(&thread->lock);
}
