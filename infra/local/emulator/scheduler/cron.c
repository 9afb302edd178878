#include "infra/local/emulator/scheduler/cron.h"

#include <ctype.h>
#include <strings.h>

enum {
    MINUTE_SECONDS = 60,
    DAY_SECONDS = 86400,
    /* The rarest schedule is the 29th of February. Around a century without a leap year, two of them are eight years
     * apart. */
    SEARCH_DAYS = 366 * 9,
};

struct names {
    int first; /* the value of words[0] */
    int count;
    const char *words[12];
};
static const struct names month_names = {
    1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}};
static const struct names weekday_names = {0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}};

struct field {
    const char *name;
    int min;
    int max;
    const struct names *names;
    size_t offset;
};
static const struct field fields[] = {
    {"minute", 0, 59, NULL, offsetof(struct em_cron, minutes)},
    {"hour", 0, 23, NULL, offsetof(struct em_cron, hours)},
    {"day of month", 1, 31, NULL, offsetof(struct em_cron, days)},
    {"month", 1, 12, &month_names, offsetof(struct em_cron, months)},
    {"day of week", 0, 7, &weekday_names, offsetof(struct em_cron, weekdays)},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

static bool ends_field(char c)
{
    return c == '\0' || c == ' ' || c == '\t';
}

/* Reads a number of at most two digits, or a name. NULL if there is neither. */
static const char *parse_value(const char *text, const struct names *names, int *ret)
{
    if (isdigit((unsigned char)*text)) {
        int value = *text++ - '0';
        if (isdigit((unsigned char)*text))
            value = value * 10 + (*text++ - '0');
        *ret = value;
        return text;
    }
    for (int i = 0; names && i < names->count; i++) {
        if (strncasecmp(text, names->words[i], 3) == 0) {
            *ret = names->first + i;
            return text + 3;
        }
    }
    return NULL;
}

/* Reads one item of a list: "*", "5" or "1-5", optionally followed by "/2"; "5/15" means from 5 on. */
static const char *parse_item(const char *text, const struct field *field, uint64_t *set)
{
    int first = field->min;
    int last = field->max;
    int step = 1;
    if (*text == '*') {
        text++;
    } else {
        text = parse_value(text, field->names, &first);
        if (!text)
            return NULL;
        if (*text == '-')
            text = parse_value(text + 1, field->names, &last);
        else if (*text != '/')
            last = first;
    }
    if (text && *text == '/')
        text = parse_value(text + 1, NULL, &step);
    if (!text || first < field->min || last > field->max || first > last || step == 0)
        return NULL;
    for (int value = first; value <= last; value += step)
        *set |= UINT64_C(1) << value;
    return text;
}

static const char *parse_field(const char *text, const struct field *field, uint64_t *set)
{
    do {
        text = parse_item(text, field, set);
    } while (text && *text == ',' && text++);
    return text && ends_field(*text) ? text : NULL;
}

enum mr_status em_cron_parse(const char *text, struct em_cron *ret, struct mr_err *err)
{
    struct em_cron cron = {0};
    const char *at = skip_blanks(text);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        uint64_t *set = (uint64_t *)(void *)((char *)&cron + fields[i].offset);
        bool any = *at == '*';
        const char *end = ends_field(*at) ? NULL : parse_field(at, &fields[i], set);
        if (!end)
            return mr_fail(err, MR_INVALID, "Invalid schedule '%s': the %s.", text, fields[i].name);
        if (set == &cron.days)
            cron.any_day = any;
        if (set == &cron.weekdays)
            cron.any_weekday = any;
        at = skip_blanks(end);
    }
    if (*at)
        return mr_fail(err, MR_INVALID, "Invalid schedule '%s': more than five fields.", text);
    cron.weekdays |= cron.weekdays >> 7 & 1; /* both 0 and 7 are Sunday */
    *ret = cron;
    return MR_OK;
}

static bool has(uint64_t set, int value)
{
    return (set >> value & 1) != 0;
}

static bool day_matches(const struct em_cron *cron, const struct tm *tm)
{
    if (!has(cron->months, tm->tm_mon + 1))
        return false;
    bool day = has(cron->days, tm->tm_mday);
    bool weekday = has(cron->weekdays, tm->tm_wday);
    return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first matching minute of the day (counted from midnight) from `from` on; -1 if there is none. */
static int minute_of_day(const struct em_cron *cron, int from)
{
    for (int minute = from; minute < DAY_SECONDS / MINUTE_SECONDS; minute++)
        if (has(cron->hours, minute / 60) && has(cron->minutes, minute % 60))
            return minute;
    return -1;
}

bool em_cron_next(const struct em_cron *cron, int64_t after, int64_t *ret_next)
{
    int64_t second_of_day = (after % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;
    int64_t midnight = after - second_of_day;
    int from = (int)(second_of_day / MINUTE_SECONDS) + 1;
    for (int i = 0; i < SEARCH_DAYS; i++, midnight += DAY_SECONDS, from = 0) {
        time_t day = (time_t)midnight;
        struct tm tm;
        gmtime_r(&day, &tm);
        int minute = day_matches(cron, &tm) ? minute_of_day(cron, from) : -1;
        if (minute >= 0) {
            *ret_next = midnight + (int64_t)minute * MINUTE_SECONDS;
            return true;
        }
    }
    return false;
}
