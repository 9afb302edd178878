#include "client/secret_input.h"

#include <errno.h>
#include <termios.h>

static enum mr_status read_line(struct mr_cli *cli, char out[MR_CLI_LINE_MAX], struct mr_err *err)
{
    size_t used = 0;
    char c = '\0';
    while (c != '\n') {
        MR_TRY(mr_cli_wait_readable(cli, STDIN_FILENO, err));
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno != EINTR && errno != EAGAIN)
            return mr_fail_code(err, MR_CODE_LOCAL_FILE, "standard input: %s", strerror(errno));
        if (got == 0)
            break;
        if (got > 0 && c != '\n') {
            if (used + 1 >= MR_CLI_LINE_MAX)
                return mr_fail(err, MR_INVALID, "line must be shorter than %d bytes", MR_CLI_LINE_MAX);
            out[used++] = c;
        }
    }
    out[used] = '\0';
    if (used && out[used - 1] == '\r')
        out[--used] = '\0';
    return used ? MR_OK : mr_fail(err, MR_INVALID, "line must not be empty");
}

enum mr_status mr_cli_ask(struct mr_cli *cli, const char *prompt, bool is_secret, char out[MR_CLI_LINE_MAX],
                          struct mr_err *err)
{
    struct termios usual;
    bool is_terminal = tcgetattr(STDIN_FILENO, &usual) == 0;
    if (!is_terminal)
        return read_line(cli, out, err);
    struct termios silent = usual;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    if (is_secret && tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0)
        return mr_fail_errno(err, MR_INTERNAL, errno, "terminal");
    fprintf(stderr, "%s: ", prompt); /* now: what is typed before is dropped */
    enum mr_status status = read_line(cli, out, err);
    if (is_secret) {
        tcsetattr(STDIN_FILENO, TCSANOW, &usual);
        fputc('\n', stderr);
    }
    return status;
}
