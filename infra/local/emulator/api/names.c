#include "infra/local/emulator/api/names.h"

#include <ctype.h>
#include <strings.h>

enum { ID_MIN = 3, ID_MAX = 255 };

enum mr_status em_resource_id_check(const char *id, struct mr_err *err)
{
    size_t len = strlen(id);
    bool legal =
        len >= ID_MIN && len <= ID_MAX && isalpha((unsigned char)id[0]) != 0 && strncmp(id, "goog", 4) != 0;
    for (size_t i = 0; i < len && legal; i++)
        legal = isalnum((unsigned char)id[i]) != 0 || strchr("-_.~+%", id[i]) != NULL;
    if (legal)
        return MR_OK;
    return mr_fail(err, MR_INVALID,
                   "Invalid resource id '%s': 3 to 255 characters of [A-Za-z0-9-_.~+%%], starting with a "
                   "letter and not with \"goog\".",
                   id);
}

enum mr_status em_resource_name_check(const char *name, const char *collection, struct mr_err *err)
{
    const char *project = strncmp(name, "projects/", 9) == 0 ? name + 9 : NULL;
    const char *slash = project ? strchr(project, '/') : NULL;
    size_t len = strlen(collection);
    if (!slash || slash == project || strncmp(slash + 1, collection, len) != 0 || slash[1 + len] != '/')
        return mr_fail(err, MR_INVALID, "Invalid resource name '%s': expected projects/{project}/%s/{id}.",
                       name, collection);
    return em_resource_id_check(slash + 1 + len + 1, err);
}

enum mr_status em_resource_name_of(const struct mr_request *req, const char *collection, const char *param,
                                   char **ret, struct mr_err *err)
{
    char *name = NULL;
    if (asprintf(&name, "projects/%s/%s/%s", mr_request_param(req, "p"), collection,
                 mr_request_param(req, param)) < 0)
        return mr_fail_oom(err);
    *ret = name;
    return MR_OK;
}

enum mr_status em_url_check(const char *field, const char *url, struct mr_err *err)
{
    const char *host = NULL;
    if (strncasecmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strncasecmp(url, "http://", 7) == 0)
        host = url + 7;
    bool legal = host && (isalnum((unsigned char)*host) || *host == '[');
    for (const char *c = url; *c && legal; c++)
        legal = *c > ' ' && *c < 0x7f;
    return legal ? MR_OK : mr_fail(err, MR_INVALID, "Invalid %s '%s': expected an http(s) URL.", field, url);
}
