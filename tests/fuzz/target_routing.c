/* A request's path, in its raw form, against web's routes. Its normal form is normal, and leads to the same route. */
#include "tests/fuzz/fuzz.h"

#include "shared/base/utf8.h"
#include "shared/http/routing.h"
#include "web/routes.h"

#include <string.h>

static void check_match(const struct mr_route_match *match)
{
    for (size_t i = 0; i < match->count; i++) {
        char name[32] = "";
        MR_HOLDS(match->params[i].name_len < sizeof name);
        memcpy(name, match->params[i].name, match->params[i].name_len);
        const char *value = mr_route_param(match, name);
        MR_HOLDS(value && *value && mr_utf8_is_valid(value, strlen(value)));
    }
}

void mr_fuzz_routing(const uint8_t *data, size_t len)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", ""};
    if (len == 0)
        return;
    const char *method = methods[*data % (sizeof methods / sizeof *methods)];
    MR_AUTO_STR char *raw = mr_fuzz_text(data + 1, len - 1);
    static struct mr_path path, again; /* too large for a stack */
    static struct mr_route_match match, repeated;
    struct mr_err err = {0};
    enum mr_status status = mr_path_parse(raw, &path, &err);
    if (status != MR_OK) {
        mr_fuzz_check_failure(status, &err);
        return;
    }
    MR_HOLDS(path.text[0] == '/' && !strstr(path.text, "//"));
    MR_HOLDS(mr_path_parse(path.text, &again, &err) == MR_OK && strcmp(path.text, again.text) == 0);
    enum mr_routing found = mr_route_find(mr_web_routes, mr_web_route_count, method, &path, &match);
    MR_HOLDS(mr_route_find(mr_web_routes, mr_web_route_count, method, &again, &repeated) == found);
    if (found == MR_ROUTE_FOUND)
        check_match(&match);
    char allow[MR_ALLOW_MAX];
    mr_route_allow(mr_web_routes, mr_web_route_count, &path, allow);
    MR_HOLDS((found == MR_ROUTE_NOT_FOUND) == (allow[0] == '\0'));
}
