/* Users in the database. Names and mail addresses are unique by Unicode's rules: NFC, without
 * regard to case (fold_name in infra/migrations). Any thread. */
#ifndef MR_WEB_USERS_H
#define MR_WEB_USERS_H

#include "shared/data/db.h"
#include "web/passwords.h"

struct mr_user {
    int64_t id;
    char *username;
    char *email;
    char *webhook_secret; /* hexadecimal; a secret */
    char password_hash[MR_PASSWORD_HASH_MAX];
    bool is_confirmed;     /* the mail address */
    bool is_operator;      /* web/operator.h */
    int64_t guest_until_s; /* seconds since 1970: when a guest ends; 0: not a guest */
};
void mr_user_free(struct mr_user *user);
MR_DEFINE_VALUE_CLEANUP(mr_user, mr_user_free)

/* password_hash as from mr_password_hash. MR_CONFLICT with code "username_taken" or "email_taken". */
MR_MUST_CHECK enum mr_status mr_user_create(struct mr_db *db, const char *username, const char *email,
                                            const char *password_hash, int64_t *ret_id, struct mr_err *err);

/* Finds a user by name or mail address. *ret_id is 0 if there is none. */
MR_MUST_CHECK enum mr_status mr_user_find(struct mr_db *db, const char *login, int64_t *ret_id,
                                          char ret_hash[MR_PASSWORD_HASH_MAX], struct mr_err *err);

/* Free *ret. MR_UNAUTHENTICATED if the user does not exist any more. */
MR_MUST_CHECK enum mr_status mr_user_get(struct mr_db *db, int64_t id, struct mr_user *ret,
                                         struct mr_err *err);

/* The version that the user's login tokens must have. MR_UNAUTHENTICATED if the user does not exist, or is being deleted. */
MR_MUST_CHECK enum mr_status mr_user_token_version(struct mr_db *db, int64_t id, int64_t *ret,
                                                   struct mr_err *err);

/* Replaces the hash of a user's password unless it has changed meanwhile. */
MR_MUST_CHECK enum mr_status mr_user_replace_hash(struct mr_db *db, int64_t id, const char *old_hash,
                                                  const char *new_hash, struct mr_err *err);

/* Sets a password; the user's login tokens end. */
MR_MUST_CHECK enum mr_status mr_user_set_password(struct mr_db *db, int64_t id, const char *hash,
                                                  struct mr_err *err);
/* Ends the user's login tokens, event streams and stream tokens. */
MR_MUST_CHECK enum mr_status mr_user_end_tokens(struct mr_db *db, int64_t id, struct mr_err *err);
/* MR_CONFLICT with code "username_taken". */
MR_MUST_CHECK enum mr_status mr_user_rename(struct mr_db *db, int64_t id, const char *username,
                                            struct mr_err *err);
/* Begins to delete a user, who can do nothing from now on: the sweep does the rest (account_removal.h). */
MR_MUST_CHECK enum mr_status mr_user_delete(struct mr_db *db, int64_t id, struct mr_err *err);

#endif
