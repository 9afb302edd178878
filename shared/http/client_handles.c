#include "shared/http/client_handles.h"

#include "shared/base/memory.h"

#include <pthread.h>

enum { POOL_MAX = 64 }; /* idle handles kept */

struct mr_http_client {
    char *user_agent;
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    CURL *idle[POOL_MAX]; /* the one used last is taken first: its connections are most likely still open */
    size_t idle_count;
};

enum mr_status mr_http_client_new(const char *user_agent, struct mr_http_client **ret, struct mr_err *err)
{
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, mr_memory_malloc, free, mr_memory_realloc,
                                         mr_memory_strdup, mr_memory_calloc);
    if (code != CURLE_OK)
        return mr_fail(err, MR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    struct mr_http_client *client = calloc(1, sizeof *client);
    char *agent = strdup(user_agent);
    if (!client || !agent) {
        free(client);
        free(agent);
        curl_global_cleanup();
        return mr_fail_oom(err);
    }
    client->user_agent = agent;
    pthread_mutex_init(&client->lock, NULL);
    *ret = client;
    return MR_OK;
}

void mr_http_client_free(struct mr_http_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->user_agent);
    free(client);
    curl_global_cleanup();
}

CURL *mr_client_handle_take(struct mr_http_client *client)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count)
        curl = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    if (!curl)
        curl = curl_easy_init();
    if (curl)
        curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
    return curl;
}

void mr_client_handle_give_back(struct mr_http_client *client, CURL *curl)
{
    curl_easy_reset(curl);
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < POOL_MAX) {
        client->idle[client->idle_count++] = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    curl_easy_cleanup(curl);
}
