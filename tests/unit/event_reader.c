#include "tests/unit/event_reader.h"

#include "shared/base/buf.h"
#include "shared/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

bool read_event_line(int fd, struct mr_buf *line)
{
    mr_buf_clear(line);
    for (;;) {
        char c;
        ssize_t n = recv(fd, &c, 1, 0);
        if (n == 0)
            return false;
        assert_int_equal(n, 1);
        if (c == '\n')
            return true;
        assert_int_equal(mr_buf_append(line, &c, 1, NULL), MR_OK);
    }
}

static void read_data(const char *text, struct event *event)
{
    MR_AUTO_JSON json_t *view = json_loads(text, 0, NULL);
    assert_non_null(view);
    event->task = json_integer_value(json_object_get(view, "id"));
    event->progress = json_number_value(json_object_get(view, "progress"));
    event->partial = json_is_true(json_object_get(view, "partial"));
    event->outputs = json_array_size(json_object_get(view, "outputs"));
    const char *status = json_string_value(json_object_get(view, "status"));
    snprintf(event->status, sizeof event->status, "%s", status ? status : "");
}

struct event next_event(int fd)
{
    MR_AUTO(mr_buf) struct mr_buf line = MR_BUF_INIT(100000);
    struct event event = {0};
    while (read_event_line(fd, &line)) {
        const char *text = mr_buf_str(&line);
        if (strncmp(text, "id: ", 4) == 0)
            event.id = strtoll(text + 4, NULL, 10);
        else if (strncmp(text, "event: ", 7) == 0)
            snprintf(event.name, sizeof event.name, "%s", text + 7);
        else if (strncmp(text, "data: ", 6) == 0)
            read_data(text + 6, &event);
        else if (!*text && event.name[0])
            return event;
        else
            assert_true(!*text || *text == ':' || strcmp(text, "retry: 3000") == 0);
    }
    event.id = -1;
    return event;
}

struct event expect(int fd, const char *name, int64_t task, const char *status)
{
    struct event event = next_event(fd);
    assert_string_equal(event.name, name);
    assert_int_equal(event.task, task);
    assert_string_equal(event.status, status);
    return event;
}

void expect_end(int fd)
{
    assert_int_equal(next_event(fd).id, -1);
    close(fd);
}

struct event expect_at_last(int fd, const char *name, int64_t task)
{
    for (;;) {
        struct event event = next_event(fd);
        assert_int_not_equal(event.id, -1);
        if (event.task == task && strcmp(event.name, name) == 0)
            return event;
    }
}
