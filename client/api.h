/*
 * Calls of the API: JSON there and back, with the key, and with retries where they cannot do harm (a lost answer is asked
 * for again only if the call may be repeated). A failure has the server's detail and code.
 */
#ifndef MR_CLIENT_API_H
#define MR_CLIENT_API_H

#include "client/cli.h"

struct mr_cli_call {
    const char *method;
    const char *path;            /* begins with a slash */
    const json_t *body;          /* NULL: none */
    const char *token;           /* instead of the key; NULL: the key */
    const char *idempotency_key; /* NULL: none */
    bool is_anonymous;           /* neither token nor key */
    bool once;                   /* must not be sent again unless the server certainly did nothing */
};

/* *ret is the answer's document, null if it has none; the caller owns it; ret may be NULL. MR_UNAVAILABLE: not reachable,
 * or no answer that is the API's. */
MR_MUST_CHECK enum mr_status mr_cli_call(struct mr_cli *cli, const struct mr_cli_call *call, json_t **ret,
                                         struct mr_err *err);

/* The value of the header Authorization for the key, malloc'ed. MR_UNAUTHENTICATED without a key. */
MR_MUST_CHECK enum mr_status mr_cli_authorization(const struct mr_cli *cli, const char *token, char **ret,
                                                  struct mr_err *err);

/* The failure that an answer other than 2xx stands for, by its problem+json if it has one. */
MR_MUST_CHECK enum mr_status mr_cli_problem(const struct mr_http_response *res, struct mr_err *err);

/* A request of mediarun's: its time-outs, proxies, authorities; the caller adds what it asks for. */
struct mr_http_request mr_cli_request(struct mr_cli *cli, const char *method, const char *url);

/* A text of an object, "" if it is not there. */
const char *mr_cli_text(const json_t *object, const char *name);

#endif
