/* The outcome of a fallible call; err.h says how it is reported. */
#ifndef MR_BASE_STATUS_H
#define MR_BASE_STATUS_H

#include <stdbool.h>

enum mr_status {
    MR_OK = 0,
    /* A retry cannot cure these. */
    MR_INVALID,         /* the caller's input is wrong */
    MR_UNAUTHENTICATED, /* no valid proof of identity */
    MR_DENIED,          /* known, but not allowed */
    MR_NOT_FOUND,
    MR_CONFLICT,    /* exists already, or a precondition does not hold */
    MR_TOO_LARGE,   /* over a limit that was set */
    MR_UNSUPPORTED, /* understood, but not something we do */
    MR_CANCELED,
    MR_INTERNAL, /* our own fault */
    /* A retry may cure these. */
    MR_UNAVAILABLE, /* the other side, or the way to it, is down */
    MR_TIMEOUT,
    MR_EXHAUSTED, /* memory, descriptors, connections, quota */
    MR_STATUS_COUNT
};

#endif
