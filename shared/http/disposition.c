#include "shared/http/disposition.h"

#include "shared/base/encoding.h"
#include "shared/http/form_head.h"

#include <string.h>
#include <strings.h>

/* RFC 8187: charset'language'percent-encoded; UTF-8 is the only charset that recipients must support. */
static const char *decode_extended(char *value)
{
    static const char charset[] = "UTF-8'";
    if (strncasecmp(value, charset, sizeof charset - 1) != 0)
        return NULL;
    char *text = strchr(value + sizeof charset - 1, '\'');
    return text && mr_percent_decode(text + 1, false, NULL) == MR_OK ? text + 1 : NULL;
}

static const char *without_directory(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    return name;
}

bool mr_disposition_file_name(const char *value, char *out, size_t out_size)
{
    MR_AUTO_STR char *copy = strdup(value);
    if (!copy)
        return false;
    char *cursor = copy + strcspn(copy, ";"), *name = NULL, *text = NULL;
    const char *plain = NULL, *extended = NULL;
    while (mr_form_param(&cursor, &name, &text)) {
        if (strcasecmp(name, "filename") == 0)
            plain = text;
        else if (strcasecmp(name, "filename*") == 0)
            extended = decode_extended(text);
    }
    const char *found = extended ? extended : plain;
    found = found ? without_directory(found) : "";
    size_t len = strlen(found);
    if (!len || len >= out_size || mr_form_check_name(found, "name", NULL) != MR_OK)
        return false;
    memcpy(out, found, len + 1);
    return true;
}
