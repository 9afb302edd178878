/*
 * API keys: bearer secrets with which a user's programs call the API. A key is "mr_" and a secret token (secret_token.h);
 * the database has its SHA-256 only, so it can be shown once. What is deleted is refused from then on, everywhere, because
 * each use asks the database. Any thread may call.
 */
#ifndef MR_DATA_API_KEYS_H
#define MR_DATA_API_KEYS_H

#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/secret_token.h"

#define MR_API_KEY_PREFIX "mr_"
enum { MR_API_KEY_MAX = MR_SECRET_TOKEN_MAX + 3, MR_API_KEYS_OF_USER = 100 };

struct mr_api_key_order {
    const char *name;
    bool can_read, can_write; /* at least one */
    int64_t seconds;          /* until it expires; 0: never */
};
/* Makes a key. *ret_view has id, name, scopes, created_at, expires_at and last_used_at; the caller owns it. MR_CONFLICT
 * with code "too_many_keys" if the user has MR_API_KEYS_OF_USER already. */
MR_MUST_CHECK enum mr_status mr_api_key_create(struct mr_db *db, int64_t user_id,
                                               const struct mr_api_key_order *order,
                                               char ret_key[MR_API_KEY_MAX], json_t **ret_view,
                                               struct mr_err *err);

/* The user's keys, the oldest first, as an array of such views, those that have expired included. */
MR_MUST_CHECK enum mr_status mr_api_keys_list(struct mr_db *db, int64_t user_id, json_t **ret,
                                              struct mr_err *err);

/* Revokes a key, whose number is text. MR_NOT_FOUND if the user has no such key. */
MR_MUST_CHECK enum mr_status mr_api_key_delete(struct mr_db *db, int64_t user_id, const char *id,
                                               struct mr_err *err);

struct mr_api_key_use {
    int64_t id;
    int64_t user_id;
    bool can_read, can_write;
    int64_t expires_s; /* seconds since 1970; 0: never */
};
/* Whose key it is, and notes that it was used, to the minute. MR_UNAUTHENTICATED with code "bad_api_key" if it is unknown,
 * revoked or expired. */
MR_MUST_CHECK enum mr_status mr_api_key_use(struct mr_db *db, const char *key, struct mr_api_key_use *ret,
                                            struct mr_err *err);

/* True in *ret if the user's key of this id is there and has not expired. */
MR_MUST_CHECK enum mr_status mr_api_key_exists(struct mr_db *db, int64_t user_id, int64_t id, bool *ret,
                                               struct mr_err *err);

#endif
