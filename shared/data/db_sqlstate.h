/*
 * What an SQLSTATE means to us. A few say something about the values of the request; every other one is a failure of
 * our own parts (a server that fails over, a missing grant, a full disk, a statement that does not fit the
 * schema), which may pass, and about which a user can do nothing. Pure; any thread.
 * Source: https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
#ifndef MR_DATA_DB_SQLSTATE_H
#define MR_DATA_DB_SQLSTATE_H

#include "shared/base/status.h"

struct mr_sqlstate {
    const char *prefix; /* of the states it holds for: a class, a state, or "" */
    enum mr_status status;
    const char *verdict; /* what is wrong with the request, without SQL; NULL: nothing is */
    bool try_again;      /* nothing was done, and a new connection may do it */
};

/* The row of a state of five characters. Never NULL; "" is a state that nobody knows. */
const struct mr_sqlstate *mr_sqlstate_find(const char *state);

#endif
