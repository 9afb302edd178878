/* What client and server of the warm programs agree on: a request is one message on a Unix stream socket, with the
 * descriptors 0, 1, 2 and the current directory beside it (SCM_RIGHTS); the answer is the status of waitpid(2). */
#pragma once

#include <stdint.h>

enum { WARM_DESCRIPTORS = 4 };

/* Behind it: `arguments` strings, then `variables` strings NAME=VALUE, each with its zero byte. */
struct warm_request {
    uint32_t bytes; /* of the strings */
    uint32_t arguments;
    uint32_t variables;
    uint32_t umask;
};
