#include "web/operator.h"

#include "web/caller.h"

enum mr_status mr_operator_admit(struct mr_web *web, const struct mr_request *req, const char *what,
                                 struct mr_user *ret, struct mr_err *err)
{
    int64_t user_id = 0;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_caller_user(web, req, &user_id, err));
    MR_TRY(mr_user_get(web->db, user_id, &user, err));
    if (!user.is_operator)
        return mr_fail(err, MR_DENIED, "%s are for operators only", what);
    *ret = user;
    user = (struct mr_user){0};
    return MR_OK;
}
