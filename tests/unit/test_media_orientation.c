/* All eight ways in which a display matrix can turn and mirror a picture, by where a mark of it comes out. */
#include "tests/unit/video_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 96, HEIGHT = 64, FILE_MAX_BYTES = 1 << 16, WHITE = 235 };

/* ISO/IEC 14496-12, 6.2.2: x' = a·x + c·y + tx, y' = b·x + d·y + ty */
struct matrix {
    int a, b, c, d;
};
struct point {
    int x, y;
};

static int shift(int across, int down)
{
    return (across < 0 ? WIDTH : 0) + (down < 0 ? HEIGHT : 0);
}

static struct point moved(struct matrix m, struct point at)
{
    return (struct point){m.a * at.x + m.c * at.y + shift(m.a, m.c),
                          m.b * at.x + m.d * at.y + shift(m.b, m.d)};
}

static void put32(unsigned char *to, int value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)((unsigned)value >> (24 - 8 * i));
}

/* dir/marked.mp4 with this matrix in its track header, as dir/turned.mp4. */
static void set_matrix(struct matrix m)
{
    enum { AFTER_TYPE = 44, ONE = 1 << 16 };
    static unsigned char data[FILE_MAX_BYTES];
    char path[128];
    snprintf(path, sizeof path, "%s/marked.mp4", video_dir()->path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(data, 1, sizeof data, file);
    fclose(file);
    unsigned char *header = memmem(data, len, "tkhd", 4);
    assert_non_null(header);
    const int numbers[] = {m.a, m.b, 0, m.c, m.d, 0, shift(m.a, m.c), shift(m.b, m.d)};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        put32(header + AFTER_TYPE + 4 * i, numbers[i] * ONE);
    media_write_file(video_dir(), "turned.mp4", data, len);
}

static void assert_brightness(struct matrix m, struct point at, int wanted)
{
    char crop[32], what[96];
    struct point to = moved(m, at);
    snprintf(crop, sizeof crop, "8:8:%d:%d", to.x - 4, to.y - 4);
    snprintf(what, sizeof what, "matrix %d %d %d %d, point %d,%d", m.a, m.b, m.c, m.d, at.x, at.y);
    assert_near(brightness("upright.webm", 0, crop), wanted, 60, what);
}

/* White: the left half of the upper quarter. No other orientation looks like it. */
static void test_all_eight(void **state)
{
    (void)state;
    static const struct matrix matrices[] = {{1, 0, 0, 1},  {-1, 0, 0, 1}, {1, 0, 0, -1}, {-1, 0, 0, -1},
                                             {0, 1, -1, 0}, {0, 1, 1, 0},  {0, -1, 1, 0}, {0, -1, -1, 0}};
    media_ffmpeg(video_dir(),
                 "-f lavfi -i color=black:s=%dx%d:r=5:d=0.4,drawbox=0:0:48:16:white:fill -c:v libx264 "
                 "-pix_fmt yuv420p marked.mp4",
                 WIDTH, HEIGHT);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        struct matrix m = matrices[i];
        set_matrix(m);
        MR_AUTO_JSON json_t *receipt = edit_ok("turned.mp4", "upright.webm", "webm", NULL);
        struct video video = look("upright.webm");
        assert_int_equal(video.width, m.a ? WIDTH : HEIGHT);
        assert_int_equal(video.height, m.a ? HEIGHT : WIDTH);
        assert_brightness(m, (struct point){24, 8}, WHITE);
        assert_brightness(m, (struct point){72, 8}, 16);
        assert_brightness(m, (struct point){24, 40}, 16);
    }
}

int main(void)
{
    if (!video_start())
        return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_eight)};
    int failed = cmocka_run_group_tests_name("orientation", tests, NULL, NULL);
    video_stop();
    return failed;
}
