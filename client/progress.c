#include "client/progress.h"

#include "shared/base/clock.h"
#include "shared/base/utf8.h"

#include <inttypes.h>
#include <sys/ioctl.h>

enum {
    REDRAW_US = 100000,
    BAR_MAX = 30,
    LABEL_COLUMNS = 28,
    WIDTH_DEFAULT = 80,
    LINE_MAX_BYTES = 512,
    STEP = 10
};

void mr_cli_progress_begin(struct mr_cli *cli, const char *label, const char *phase)
{
    struct mr_cli_progress *progress = &cli->progress;
    mr_utf8_storable(label, strlen(label), progress->label, sizeof progress->label);
    progress->phase = phase;
    progress->began_us = mr_time_monotonic_us();
    progress->began_at = -1;
    progress->drawn_us = 0;
    progress->last_step = -1;
}

static int columns(void)
{
    struct winsize size = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : WIDTH_DEFAULT;
}

/* "12.3 MB/s  0:41": the speed, and how long the rest will take. "" in the first moments. */
static void rate_text(const struct mr_cli_progress *progress, int64_t done, int64_t total, char out[40])
{
    double seconds = (double)(mr_time_monotonic_us() - progress->began_us) / 1e6;
    double rate = seconds > 0.3 ? (double)(done - progress->began_at) / seconds : 0;
    out[0] = '\0';
    if (rate < 1)
        return;
    int64_t left = (int64_t)((double)(total - done) / rate);
    snprintf(out, 40, "%6.1f MB/s %3" PRId64 ":%02" PRId64, rate / 1e6, left / 60, left % 60);
}

static void draw(struct mr_cli_progress *progress, double percent, const char *rate)
{
    char bar[BAR_MAX + 1], line[LINE_MAX_BYTES];
    int room = columns() - LABEL_COLUMNS - 36;
    int width = room > BAR_MAX ? BAR_MAX : room > 4 ? room : 4;
    int filled = (int)(percent / 100 * width);
    memset(bar, '=', (size_t)filled);
    memset(bar + filled, ' ', (size_t)(width - filled));
    bar[width] = '\0';
    int label = (int)mr_utf8_prefix(progress->label, LABEL_COLUMNS);
    int len = snprintf(line, sizeof line, "\r\033[K%.*s %s %5.1f %% [%s] %s", label, progress->label,
                       progress->phase, percent, bar, rate);
    (void)!write(STDERR_FILENO, line, len < (int)sizeof line ? (size_t)len : sizeof line - 1);
    progress->is_drawn = true;
}

static void show(struct mr_cli_progress *progress, double percent, const char *rate)
{
    int64_t now_us = mr_time_monotonic_us();
    if (progress->has_lines) {
        int step = (int)percent / STEP;
        if (step > progress->last_step)
            dprintf(STDERR_FILENO, "%s: %s %d %%\n", progress->label, progress->phase, (int)percent);
        progress->last_step = step > progress->last_step ? step : progress->last_step;
    } else if (progress->is_shown && (now_us - progress->drawn_us >= REDRAW_US || percent >= 100)) {
        draw(progress, percent, rate);
        progress->drawn_us = now_us;
    }
}

static double bounded(double percent)
{
    return percent < 0 ? 0 : percent > 100 ? 100 : percent;
}

void mr_cli_progress_bytes(struct mr_cli *cli, int64_t done, int64_t total)
{
    char rate[40];
    if (!cli->progress.is_shown && !cli->progress.has_lines)
        return;
    if (cli->progress.began_at < 0)
        cli->progress.began_at = done;
    rate_text(&cli->progress, done, total, rate);
    show(&cli->progress, bounded(total ? 100.0 * (double)done / (double)total : 100), rate);
}

void mr_cli_progress_percent(struct mr_cli *cli, double percent)
{
    show(&cli->progress, bounded(percent), "");
}

void mr_cli_progress_clear(struct mr_cli *cli)
{
    static const char erase[] = "\r\033[K";
    if (cli->progress.is_drawn)
        (void)!write(STDERR_FILENO, erase, sizeof erase - 1);
    cli->progress.is_drawn = false;
}
