#include "web/api/range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Reads the number between start and end, however long (RFC 9110 §14.1.2): beyond INT64_MAX it is INT64_MAX. False if
 * there is none. */
static bool number_between(const char *start, const char *end, int64_t *ret)
{
    int64_t value = 0;
    if (start == end)
        return false;
    for (; start < end; start++) {
        if (*start < '0' || *start > '9')
            return false;
        int digit = *start - '0';
        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    *ret = value;
    return true;
}

struct mr_range mr_range_parse(const char *header, int64_t size)
{
    const struct mr_range whole = {MR_RANGE_WHOLE, 0, size - 1};
    const struct mr_range unsatisfiable = {MR_RANGE_UNSATISFIABLE, 0, 0};
    if (!header || strncasecmp(header, "bytes=", 6) != 0 || strchr(header, ','))
        return whole;
    const char *spec = header + 6 + strspn(header + 6, " \t");
    const char *end = spec + strcspn(spec, " \t");
    const char *dash = memchr(spec, '-', (size_t)(end - spec));
    if (!dash)
        return whole;
    int64_t first = 0, last = 0;
    bool has_first = number_between(spec, dash, &first), has_last = number_between(dash + 1, end, &last);
    bool is_suffix = dash == spec, is_open = dash + 1 == end;
    if ((!is_suffix && !has_first) || (!is_open && !has_last) || (is_suffix && is_open))
        return whole;
    if (is_suffix) {
        if (last == 0 || size == 0)
            return unsatisfiable;
        return (struct mr_range){MR_RANGE_PART, last < size ? size - last : 0, size - 1};
    }
    if (!is_open && last < first)
        return whole;
    if (first >= size)
        return unsatisfiable;
    return (struct mr_range){MR_RANGE_PART, first, is_open || last >= size ? size - 1 : last};
}
