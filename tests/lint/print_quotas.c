/* Prints the table of quotas as JSON lines: variable, default, default of guests, unit, code, HTTP status, what, remedy. */
#include "shared/base/json.h"
#include "shared/base/quotas.h"
#include "shared/http/server.h"

#include <stdio.h>

int main(void)
{
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++) {
        const struct mr_quota_row *row = mr_quota_row(quota);
        const struct mr_err err = {.status = mr_code_row(row->code)->status, .code = row->code};
        MR_AUTO_JSON json_t *line =
            json_pack("{s:s, s:I, s:I, s:s, s:s, s:i, s:s, s:s}", "variable", row->variable, "default",
                      (json_int_t)row->fallback, "of_guest", (json_int_t)row->of_guest, "unit", row->unit,
                      "code", mr_code_name(row->code), "http", mr_http_status_of(&err), "what", row->what,
                      "remedy", row->remedy);
        if (!line || json_dumpf(line, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF)
            return 1;
    }
    return 0;
}
