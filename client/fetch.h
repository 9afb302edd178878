/* Downloads one output of a task. */
#ifndef MR_CLIENT_FETCH_H
#define MR_CLIENT_FETCH_H

#include "client/cli.h"
#include "client/output.h"

struct mr_cli_fetch {
    const char *file_id; /* of the task */
    int n;               /* of its outputs */
    int64_t size;
};

/*
 * Writes the file to output, through a redirection to storage if the server answers so, and goes on after a broken
 * connection where it broke. Success: size bytes, with the checksum that storage names, if it names one.
 */
MR_MUST_CHECK enum mr_status mr_cli_fetch(struct mr_cli *cli, const struct mr_cli_fetch *fetch,
                                          const struct mr_cli_output *output, struct mr_err *err);

/* The CRC32C of a header x-goog-hash ("crc32c=AAAAAA==,md5=…") into out; false if it has none. */
bool mr_cli_crc32c_of(const char *header, char out[9]);

#endif
