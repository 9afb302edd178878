#include "infra/local/emulator/storage/range.h"

#include "shared/base/encoding.h"

#include <strings.h>

enum { NUMBER_TEXT_MAX = 20 };

/* Reads the number that is all of text[0..len). */
static bool number(const char *text, size_t len, int64_t *ret)
{
    char digits[NUMBER_TEXT_MAX + 1];
    if (len == 0 || len > NUMBER_TEXT_MAX)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    return mr_parse_int64(digits, 0, INT64_MAX, ret);
}

static enum em_object_range part(int64_t first, int64_t end, int64_t *ret_first, int64_t *ret_length)
{
    *ret_first = first;
    *ret_length = end - first;
    return EM_OBJECT_PART;
}

enum em_object_range em_object_range_parse(const char *value, int64_t size, int64_t *ret_first,
                                           int64_t *ret_length)
{
    *ret_first = 0;
    *ret_length = size;
    if (!value || strncasecmp(value, "bytes=", 6) != 0 || strchr(value, ','))
        return EM_OBJECT_WHOLE;
    const char *from = value + 6, *dash = strchr(from, '-');
    if (!dash)
        return EM_OBJECT_WHOLE;
    int64_t first = 0, last = 0;
    bool has_first = number(from, (size_t)(dash - from), &first);
    bool has_last = number(dash + 1, strlen(dash + 1), &last);
    if (dash == from && has_last) {
        if (last == 0 || size == 0)
            return EM_OBJECT_NO_PART;
        return part(last < size ? size - last : 0, size, ret_first, ret_length);
    }
    if (!has_first || (dash[1] && !has_last) || (has_last && last < first))
        return EM_OBJECT_WHOLE;
    if (first >= size)
        return EM_OBJECT_NO_PART;
    return part(first, has_last && last < size - 1 ? last + 1 : size, ret_first, ret_length);
}

/* A number, or EM_CONTENT_RANGE_OPEN for "*". */
static bool number_or_star(const char *text, size_t len, int64_t *ret)
{
    if (len == 1 && *text == '*') {
        *ret = EM_CONTENT_RANGE_OPEN;
        return true;
    }
    return number(text, len, ret);
}

enum mr_status em_content_range_parse(const char *value, struct em_content_range *ret, struct mr_err *err)
{
    struct em_content_range range = {.last = EM_CONTENT_RANGE_OPEN};
    const char *span = value + strlen("bytes ");
    bool valid = !strncasecmp(value, "bytes ", strlen("bytes "));
    const char *slash = valid ? strchr(span, '/') : NULL;
    valid = slash && number_or_star(slash + 1, strlen(slash + 1), &range.total);
    if (valid && slash == span + 1 && *span == '*') {
        range.query = true;
    } else if (valid) {
        const char *dash = memchr(span, '-', (size_t)(slash - span));
        valid = dash && number(span, (size_t)(dash - span), &range.first) &&
                number_or_star(dash + 1, (size_t)(slash - dash - 1), &range.last) &&
                (range.last == EM_CONTENT_RANGE_OPEN || range.last >= range.first) &&
                (range.total == EM_CONTENT_RANGE_OPEN ||
                 (range.last < range.total && range.first <= range.total));
    }
    if (!valid)
        return mr_fail(err, MR_INVALID, "Failed to parse Content-Range header: %s", value);
    *ret = range;
    return MR_OK;
}
