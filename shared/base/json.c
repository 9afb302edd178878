#include "shared/base/json.h"

#include "shared/base/utf8.h"

#include <stdlib.h>
#include <string.h>

json_t *mr_json_text(const char *text)
{
    size_t len = strlen(text);
    if (mr_utf8_is_valid(text, len))
        return json_string(text);
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    mr_utf8_storable(text, len, copy, len + 1);
    json_t *json = json_string(copy);
    free(copy);
    return json;
}
