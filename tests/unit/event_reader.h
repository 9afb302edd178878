/* Reads a stream of server-sent events from a socket with a receive time-out, as an EventSource does. A stream that
 * breaks its form or is late fails the running test. */
#ifndef MR_TESTS_UNIT_EVENT_READER_H
#define MR_TESTS_UNIT_EVENT_READER_H

#include "shared/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct event {
    int64_t id; /* -1: the stream has ended */
    char name[20];
    int64_t task;
    char status[20];
    double progress;
    bool partial;
    size_t outputs;
};

/* One line without its end; false at the end of the stream. */
bool read_event_line(int fd, struct mr_buf *line);
/* The next event, without comments and retry. */
struct event next_event(int fd);
/* The next event must be this one. */
struct event expect(int fd, const char *name, int64_t task, const char *status);
/* Skips what comes before. */
struct event expect_at_last(int fd, const char *name, int64_t task);
/* The stream ends here. Closes fd. */
void expect_end(int fd);

#endif
