#include "web/token_versions.h"

#include "shared/base/clock.h"
#include "web/users.h"

#include <pthread.h>

enum { PLACES = 4096 };

struct mr_token_versions {
    struct mr_db *db;
    pthread_mutex_t lock;
    /* Protected by lock. A user has one place, which the newest of those with the same place holds. */
    int64_t changes; /* how often something was forgotten: what was read before must not be kept after */
    struct {
        int64_t user_id, version;
        int64_t until_us; /* on CLOCK_MONOTONIC */
    } places[PLACES];
};

enum mr_status mr_token_versions_new(struct mr_db *db, struct mr_token_versions **ret, struct mr_err *err)
{
    struct mr_token_versions *versions = calloc(1, sizeof *versions);
    if (!versions)
        return mr_fail_oom(err);
    versions->db = db;
    pthread_mutex_init(&versions->lock, NULL);
    *ret = versions;
    return MR_OK;
}

void mr_token_versions_free(struct mr_token_versions *versions)
{
    if (!versions)
        return;
    pthread_mutex_destroy(&versions->lock);
    free(versions);
}

/* True if the version is known. *ret_changes goes to keep() if it is not. */
static bool look(struct mr_token_versions *versions, int64_t user_id, int64_t *ret_version,
                 int64_t *ret_changes)
{
    const size_t n = (size_t)user_id % PLACES;
    pthread_mutex_lock(&versions->lock);
    bool known =
        versions->places[n].user_id == user_id && versions->places[n].until_us > mr_time_monotonic_us();
    *ret_version = versions->places[n].version;
    *ret_changes = versions->changes;
    pthread_mutex_unlock(&versions->lock);
    return known;
}

static void keep(struct mr_token_versions *versions, int64_t user_id, int64_t version, int64_t until_us,
                 int64_t changes)
{
    const size_t n = (size_t)user_id % PLACES;
    pthread_mutex_lock(&versions->lock);
    if (versions->changes == changes) {
        versions->places[n].user_id = user_id;
        versions->places[n].version = version;
        versions->places[n].until_us = until_us;
    }
    pthread_mutex_unlock(&versions->lock);
}

void mr_token_version_forget(struct mr_token_versions *versions, int64_t user_id)
{
    const size_t n = (size_t)user_id % PLACES;
    pthread_mutex_lock(&versions->lock);
    versions->changes++;
    if (versions->places[n].user_id == user_id)
        versions->places[n].until_us = 0;
    pthread_mutex_unlock(&versions->lock);
}

enum mr_status mr_token_version_check(struct mr_token_versions *versions, int64_t user_id, int64_t version,
                                      struct mr_err *err)
{
    int64_t current = 0, changes = 0;
    if (!look(versions, user_id, &current, &changes)) {
        const int64_t until_us = mr_time_monotonic_us() + MR_TOKEN_VERSION_MS * INT64_C(1000);
        MR_TRY(mr_user_token_version(versions->db, user_id, &current, err));
        keep(versions, user_id, current, until_us, changes);
    }
    if (current != version)
        return mr_fail(err, MR_UNAUTHENTICATED, "token rejected: it was ended; log in again");
    return MR_OK;
}
