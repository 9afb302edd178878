/* What a conversion may cost, by what it makes and how large its input is. */
#include "worker/media/work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MAX = 600000, KIB = 1024, MIB = 1024 * KIB, HOUR = 3600 };

static void films_pass_and_bombs_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *encoder, *preset;
        int width, height;
        double fps, seconds;
        int64_t input_size;
        bool passes;
    } table[] = {
        {"libx264", NULL, 1920, 1080, 30, 2 * HOUR, INT64_C(1000) * MIB, true},
        {"libx264", "fast", 1920, 1080, 24, 1.5 * HOUR, INT64_C(1000) * MIB, true},
        {"libvpx-vp9", NULL, 1920, 1080, 30, 2 * HOUR, INT64_C(1000) * MIB, true},
        {"libx264", NULL, 1920, 1080, 30, 2 * HOUR, 30 * MIB, true}, /* 35 kbit/s: slides */
        {"libx264", NULL, 640, 360, 30, 10 * HOUR, 400 * MIB, true},
        {"gif", NULL, 480, 270, 25, 600, 3 * KIB, true},
        {"libvpx-vp9", NULL, 4096, 2176, 120, 1310, 3 * KIB, false}, /* a GIF of two pictures */
        {"libvpx-vp9", NULL, 4096, 2176, 120, 60, 3 * KIB, false},
        {"libvpx-vp9", NULL, 4096, 2176, 120, 10, 3 * KIB, true},
        {"libx264", NULL, 4096, 2176, 120, 2 * HOUR, INT64_C(40000) * MIB, false},
        {"libx264", "veryslow", 1920, 1080, 30, 2 * HOUR, INT64_C(1000) * MIB, false},
        {"libx264", NULL, 4096, 2176, 120, 0, 3 * KIB, true}, /* of unknown length: counted as it goes */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct mr_work work = mr_work_of(MAX, table[i].input_size);
        struct mr_err err = {0};
        enum mr_status status =
            mr_work_plan_video(&work, mr_work_weight(table[i].encoder, table[i].preset), table[i].width,
                               table[i].height, table[i].fps, table[i].seconds, &err);
        assert_int_equal(status, table[i].passes ? MR_OK : MR_TOO_LARGE);
        assert_int_equal(err.code, table[i].passes ? 0 : MR_CODE_TOO_EXPENSIVE);
    }
}

static void audio_costs_by_its_samples(void **state)
{
    (void)state;
    static const struct {
        int rate, channels;
        double seconds;
        int64_t input_size;
        bool passes;
    } table[] = {
        {48000, 2, 24 * HOUR, 200 * MIB, true},  {44100, 1, 24 * HOUR, 90 * KIB, true},
        {192000, 8, 24 * HOUR, 90 * KIB, false}, {192000, 8, 24 * HOUR, INT64_C(4000) * MIB, false},
        {192000, 8, 4 * HOUR, 200 * MIB, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct mr_work work = mr_work_of(MAX, table[i].input_size);
        struct mr_err err = {0};
        enum mr_status status =
            mr_work_plan_audio(&work, table[i].rate, table[i].channels, table[i].seconds, &err);
        assert_int_equal(status, table[i].passes ? MR_OK : MR_TOO_LARGE);
    }
}

/* A file that lies about its length ends where the limit is. */
static void work_is_counted(void **state)
{
    (void)state;
    struct mr_work work = mr_work_of(100, INT64_C(1) << 40); /* 100 megapixels */
    struct mr_err err = {0};
    for (int i = 0; i < 40; i++)
        assert_int_equal(mr_work_encoded(&work, 1, 1000, 1000, &err), MR_OK);
    for (int i = 0; i < 40; i++) /* ten to one */
        assert_int_equal(mr_work_decoded(&work, 1000, 10000, &err), MR_OK);
    for (int i = 0; i < 2; i++) /* five to one */
        assert_int_equal(mr_work_samples(&work, 1000000, 2, &err), MR_OK);
    assert_int_equal(mr_work_encoded(&work, 2, 1000, 1000, &err), MR_TOO_LARGE);
    assert_int_equal(err.code, MR_CODE_TOO_EXPENSIVE);
}

static void without_a_limit_all_passes(void **state)
{
    (void)state;
    struct mr_work work = mr_work_of(0, 1);
    struct mr_err err = {0};
    assert_int_equal(mr_work_plan_video(&work, 10, 16384, 16384, 120, 1e6, &err), MR_OK);
    assert_int_equal(mr_work_encoded(&work, 10, 16384, 16384, &err), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(films_pass_and_bombs_do_not),
        cmocka_unit_test(audio_costs_by_its_samples),
        cmocka_unit_test(work_is_counted),
        cmocka_unit_test(without_a_limit_all_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
