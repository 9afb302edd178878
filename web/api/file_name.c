#include "web/api/file_name.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"
#include "shared/http/client_url.h"
#include "shared/media/formats.h"

#include <ctype.h>
#include <strings.h>

static const char *without_directory(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\')
            name = p + 1;
    return name;
}

static void take_extension(struct mr_file_name *name)
{
    const char *dot = strrchr(name->text, '.');
    size_t len = dot ? strlen(dot + 1) : 0;
    bool plain = len > 0 && len <= MR_FILE_EXTENSION_MAX;
    for (size_t i = 0; plain && i < len; i++)
        plain = isalnum((unsigned char)dot[1 + i]);
    for (size_t i = 0; plain && i < len; i++)
        name->extension[i] = (char)tolower((unsigned char)dot[1 + i]);
}

/* The extension of a name that is cut, with its dot; "" if there is none. */
static const char *tail_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t len = dot ? strlen(dot + 1) : 0;
    return len > 0 && len <= MR_FILE_EXTENSION_MAX ? dot : "";
}

struct mr_file_name mr_file_name_of(const char *name)
{
    struct mr_file_name file_name = {0};
    name = without_directory(name);
    const char *tail = strlen(name) > MR_FILE_NAME_MAX ? tail_of(name) : "";
    size_t len = mr_utf8_prefix(name, MR_FILE_NAME_MAX - strlen(tail));
    memcpy(file_name.text, name, len);
    memcpy(file_name.text + len, tail, strlen(tail));
    take_extension(&file_name);
    return file_name;
}

struct mr_file_name mr_file_name_of_url(const char *url)
{
    char text[MR_URL_MAX + 1];
    const char *path = strstr(url, "://");
    path = path ? path + 3 : url;
    size_t len = strcspn(path, "?#");
    while (len && path[len - 1] == '/')
        len--;
    const char *start = memrchr(path, '/', len);
    struct mr_err ignored;
    if (start)
        snprintf(text, sizeof text, "%.*s", (int)(path + len - start - 1), start + 1);
    if (!start || mr_percent_decode(text, false, &ignored) != MR_OK || !mr_utf8_is_valid(text, strlen(text)))
        return mr_file_name_of("download");
    for (char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = '_';
    struct mr_file_name name = mr_file_name_of(text);
    return name.text[strspn(name.text, ". ")] ? name : mr_file_name_of("download");
}

bool mr_file_is_video(const struct mr_file_name *name, const char *media_type)
{
    const struct mr_format *format = mr_format_find(name->extension);
    if (format)
        return format->media_class == MR_MEDIA_VIDEO;
    return media_type && strncasecmp(media_type, "video/", strlen("video/")) == 0;
}
