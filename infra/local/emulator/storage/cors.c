#include "infra/local/emulator/storage/cors.h"

#include "infra/local/emulator/api/google_error.h"

enum mr_status em_cors_add_headers(struct mr_request *req, const struct em_cors_permission *permission,
                                   struct mr_err *err)
{
    char max_age[32];
    snprintf(max_age, sizeof max_age, "%lld", (long long)permission->max_age_s);
    const struct {
        const char *name, *value;
    } headers[] = {
        {"Access-Control-Allow-Origin", permission->origin},
        {"Access-Control-Expose-Headers", permission->exposed},
        {"Access-Control-Allow-Methods", permission->methods},
        {"Access-Control-Allow-Headers", permission->headers},
        {"Access-Control-Max-Age", permission->max_age_s > 0 ? max_age : NULL},
        {"Vary", "Origin"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i].value && *headers[i].value)
            MR_TRY(mr_respond_header(req, headers[i].name, headers[i].value, err));
    return MR_OK;
}

enum mr_status em_cors_answer(const struct em_cors_permission *permission, struct em_app *emulator,
                              struct mr_request *req, mr_handler *handler, struct mr_err *err)
{
    struct mr_err cause = {0};
    MR_TRY(em_cors_add_headers(req, permission, err));
    enum mr_status status = handler(emulator, req, &cause);
    if (status == MR_OK)
        return MR_OK;
    if (!mr_respond_started(req))
        return em_google_answer_error(req, mr_http_status_of(&cause), &cause, err);
    *err = cause;
    return status;
}
