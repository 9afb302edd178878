/* Prints the table of error codes as JSON lines: name, HTTP status, places, meaning, remedy. */
#include "shared/base/json.h"
#include "shared/http/problem.h"
#include "shared/http/server.h"

#include <stdio.h>

int main(void)
{
    for (enum mr_code code = MR_CODE_NONE + 1; code < MR_CODE_COUNT; code++) {
        const struct mr_code_row *row = mr_code_row(code);
        const struct mr_err err = {.status = row->status, .code = code};
        MR_AUTO_JSON json_t *line =
            json_pack("{s:s, s:i, s:i, s:s, s:s}", "name", row->name, "http", mr_http_status_of(&err),
                      "places", (int)row->places, "meaning", row->meaning, "remedy", row->remedy);
        if (!line || json_dumpf(line, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
            return 1;
    }
    return 0;
}
