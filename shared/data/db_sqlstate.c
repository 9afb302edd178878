#include "shared/data/db_sqlstate.h"

#include <stddef.h>
#include <string.h>

/* The first row that fits holds. */
static const struct mr_sqlstate table[] = {
    {"23505", MR_CONFLICT, "row exists already", false},
    {"23503", MR_NOT_FOUND, "row refers to one that does not exist", false},
    {"23", MR_INVALID, "value breaks a rule of its table", false},
    {"22", MR_INVALID, "value cannot be stored", false},
    {"57014", MR_TIMEOUT, NULL, false}, /* statement_timeout */
    /* The connection is out of date: a migration changed what a prepared statement returns (0A000, "cached plan must
     * not change result type"), the server does not know the statement (26000), has one of that name that we do not know
     * of (42P05), or has become a standby (25006). */
    {"0A000", MR_UNAVAILABLE, NULL, true},
    {"42P05", MR_UNAVAILABLE, NULL, true},
    {"26000", MR_UNAVAILABLE, NULL, true},
    {"25006", MR_UNAVAILABLE, NULL, true},
    /* The rest, such as: 08 connection, 40 serialisation, 42501 missing grant, other 42 schema and statement do not
     * fit (the worker runs before web has migrated, or after a rollback), 53 memory, disk or connections used up,
     * 55 locks, 57P server stops or starts, 58 system, XX broken data. */
    {"", MR_UNAVAILABLE, NULL, false},
};

const struct mr_sqlstate *mr_sqlstate_find(const char *state)
{
    size_t i = 0;
    while (strncmp(state, table[i].prefix, strlen(table[i].prefix)) != 0)
        i++;
    return &table[i];
}
