/*
 * A raw HTTP/1.1 server for tests: one thread plays a script, one step per request, in the order in which the
 * requests arrive, whatever connection they come on. It can do what a proper server never would: reset,
 * announce more than it sends, or say nothing. Requests are recorded.
 */
#ifndef MR_TESTS_FAKE_HTTP_H
#define MR_TESTS_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum fake_end {
    FAKE_KEEP,  /* the connection stays open for the next request */
    FAKE_CLOSE, /* closed properly after the answer */
    FAKE_RESET, /* RST after the answer */
    FAKE_DRIP,  /* a byte more every 50 ms until the client closes; nobody else is served meanwhile */
};

struct fake_step {
    int status;          /* 0: nothing is answered */
    const char *headers; /* further header lines, each ending in CRLF; may be NULL */
    const char *body;    /* may be NULL */
    size_t body_len;     /* 0: strlen(body) */
    size_t announced;    /* Content-Length where it shall differ from what is sent */
    enum fake_end end;
};

struct fake_http;

/* Listens on a free port of 127.0.0.1. Fails the test when it cannot. */
struct fake_http *fake_http_start(void);
void fake_http_stop(struct fake_http *fake);
int fake_http_port(const struct fake_http *fake);
/* "http://127.0.0.1:PORT", alive as long as fake. */
const char *fake_http_url(const struct fake_http *fake);

/* The script from now on (copied); forgets the recorded requests. The last step repeats if `repeat`,
 * otherwise requests past the end get a 599 and count. */
void fake_http_script(struct fake_http *fake, const struct fake_step *steps, size_t count, bool repeat);
/* Script of an array. */
#define FAKE_SCRIPT(fake, steps) fake_http_script((fake), (steps), sizeof(steps) / sizeof *(steps), false)

/* How many requests came whole. */
size_t fake_http_count(struct fake_http *fake);
/* Request line and headers of the i-th request; fails the test if there was none. */
const char *fake_http_head(struct fake_http *fake, size_t i);
const char *fake_http_body(struct fake_http *fake, size_t i, size_t *ret_len);
/* True if the i-th request holds exactly this line: its request line or a header. */
bool fake_http_has_line(struct fake_http *fake, size_t i, const char *line);

/* A port of 127.0.0.1 on which nobody listens. */
int fake_closed_port(void);

#endif
