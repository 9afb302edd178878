/* Operators: users with users.is_operator, who may see and requeue the tasks of all users. The flag is asked of the database
 * with each request, so it holds and ends at once. Any thread. */
#ifndef MR_WEB_OPERATOR_H
#define MR_WEB_OPERATOR_H

#include "web/users.h"

struct mr_web;
struct mr_request;

/* *ret is the operator who calls; free it. MR_UNAUTHENTICATED and MR_DENIED as mr_caller_of; MR_DENIED for other users. what
 * begins the refusal: "tasks of all users". */
MR_MUST_CHECK enum mr_status mr_operator_admit(struct mr_web *web, const struct mr_request *req,
                                               const char *what, struct mr_user *ret, struct mr_err *err);

#endif
