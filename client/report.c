#include "client/report.h"

#include "client/progress.h"
#include "shared/base/utf8.h"

#include <errno.h>
#include <stdarg.h>

enum { LINE_MAX_BYTES = 1024 };

static void write_line(struct mr_cli *cli, const char *subject, const char *text, const char *code)
{
    char line[LINE_MAX_BYTES], safe[LINE_MAX_BYTES];
    int len = snprintf(line, sizeof line, "mediarun: %s%s%s%s%s%s", subject ? subject : "",
                       subject ? ": " : "", text, code ? " (" : "", code ? code : "", code ? ")" : "");
    mr_utf8_storable(line, len < (int)sizeof line ? (size_t)len : sizeof line - 1, safe, sizeof safe);
    mr_cli_progress_clear(cli);
    fprintf(stderr, "%s\n", safe);
}

enum mr_cli_exit mr_cli_report(struct mr_cli *cli, const char *subject, const struct mr_err *failure)
{
    enum mr_cli_exit status = mr_cli_exit_of(failure);
    if (status == MR_CLI_INTERRUPTED && cli->signal == SIGTERM)
        status = MR_CLI_TERMINATED;
    if (failure->status == MR_CANCELED)
        write_line(cli, subject, "interrupted", NULL);
    else
        write_line(cli, subject, failure->message, mr_code_name(failure->code));
    if (failure->status == MR_UNAUTHENTICATED && cli->arguments->command != MR_CLI_LOGIN)
        write_line(cli, NULL, "sign in with mediarun login, or set MEDIARUN_API_KEY", NULL);
    return status;
}

void mr_cli_note(struct mr_cli *cli, const char *subject, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    if (cli->arguments->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_line(cli, subject, text, NULL);
}

static enum mr_status flush(struct mr_err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_LOCAL_FILE, "standard output: %s", strerror(errno));
}

enum mr_status mr_cli_print(const char *text, struct mr_err *err)
{
    puts(text);
    return flush(err);
}

enum mr_status mr_cli_print_json(const json_t *document, bool is_pretty, struct mr_err *err)
{
    size_t flags = is_pretty ? JSON_INDENT(2) | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY : MR_JSON_FLAGS;
    MR_AUTO_STR char *text = json_dumps(document, flags);
    return text ? mr_cli_print(text, err) : mr_fail_oom(err);
}
