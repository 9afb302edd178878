/* Range and Content-Range. The first 8 bytes are the size of the object, the rest is the header's value. */
#include "tests/fuzz/fuzz.h"

#include "infra/local/emulator/storage/range.h"
#include "web/api/range.h"

#include <string.h>

static void check_range(const char *text, int64_t size)
{
    struct mr_range range = mr_range_parse(text, size);
    if (range.kind == MR_RANGE_PART)
        MR_HOLDS(range.first >= 0 && range.first <= range.last && range.last < size);
    if (range.kind == MR_RANGE_WHOLE)
        MR_HOLDS(range.first == 0 && range.last == size - 1);
    int64_t first = -1, length = -1;
    enum em_object_range kind = em_object_range_parse(text, size, &first, &length);
    if (kind != EM_OBJECT_NO_PART)
        MR_HOLDS(first >= 0 && length >= 0 && first <= size && length <= size - first);
    MR_HOLDS(kind != EM_OBJECT_PART || length > 0);
}

static void check_content_range(const char *text)
{
    struct mr_err err = {0};
    struct em_content_range range = {0};
    enum mr_status status = em_content_range_parse(text, &range, &err);
    if (status != MR_OK)
        return;
    MR_HOLDS(range.query || range.first >= 0);
    MR_HOLDS(range.query || range.last == EM_CONTENT_RANGE_OPEN || range.last >= range.first);
    MR_HOLDS(range.query || range.total == EM_CONTENT_RANGE_OPEN || range.last < range.total);
}

void mr_fuzz_ranges(const uint8_t *data, size_t len)
{
    uint64_t size = 0;
    if (len < sizeof size)
        return;
    memcpy(&size, data, sizeof size);
    MR_AUTO_STR char *text = mr_fuzz_text(data + sizeof size, len - sizeof size);
    check_range(text, (int64_t)(size >> 1));
    check_content_range(text);
}
