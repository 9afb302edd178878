/* The search for a gain: in one process as step by step, where nothing is kept but a list of what was heard. And the meters of
 * slices count together what one counts. */
#include "worker/media/loudness_step.h"
#include "worker/media/meter.h"

#include <libavutil/channel_layout.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TARGET  (-14.0)
#define SEAM_DB 0.2 /* loudness_step.c adds it to what units have measured */

/* Audio with this loudness and peak, a limiter that takes a third of what is above it, and a codec that lets peaks grow. */
struct clip {
    double integrated, true_peak, codec_db;
    bool is_lossy;
    int rehearsals;
    char last[MR_GAIN_MAX]; /* what was rehearsed last */
};

static double number_behind(const char *filters, const char *name, double otherwise)
{
    const char *at = strstr(filters, name);
    return at ? strtod(at + strlen(name), NULL) : otherwise;
}

static struct mr_heard sound_of(struct clip *clip, const char *filters, bool through_codec)
{
    double gain = number_behind(filters, "volume=", 0), limit = number_behind(filters, "limit=", 0);
    double peak = clip->true_peak + gain, limit_db = limit > 0 ? 20 * log10(limit) : INFINITY;
    double over = fmax(peak - limit_db, 0);
    clip->rehearsals++;
    snprintf(clip->last, sizeof clip->last, "%s", filters);
    return (struct mr_heard){.integrated = clip->integrated + gain - over / 3 - (through_codec ? 0.05 : 0),
                             .true_peak = peak - over + (through_codec ? clip->codec_db : 0),
                             .is_lossy = clip->is_lossy};
}

static enum mr_status rehearse(void *ctx, const struct mr_gain *gain, bool through_codec,
                               struct mr_heard *ret, struct mr_err *err)
{
    (void)err;
    *ret = sound_of(ctx, gain->filters, through_codec);
    return MR_OK;
}

/* What units would have measured that hear this: one block in the bin of its loudness would round, so the sum is exact. */
static json_t *measured_of(const struct mr_heard *heard)
{
    double energy = pow(10, (heard->integrated + 0.691) / 10);
    return isnan(heard->integrated)
               ? json_pack("{s:f, s:{}}", "peak", 0.0, "blocks")
               : json_pack("{s:f, s:{s:[i, f]}}", "peak", pow(10, (heard->true_peak - SEAM_DB) / 20),
                           "blocks", "300", 2, 2 * energy);
}

/* As a unit `level` and the units of audio do it, each in a process of its own. */
static void search_in_steps(struct clip *clip, struct mr_gain *ret, bool *ret_made)
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *heard = NULL;
    MR_AUTO_JSON json_t *measured = json_null();
    for (int step = 0; step < 9; step++) {
        struct mr_loudness_search search;
        MR_AUTO_JSON json_t *report = NULL;
        assert_int_equal(mr_loudness_step(TARGET, heard, measured, rehearse, clip, &report, &err), MR_OK);
        json_decref(heard);
        heard = json_incref(json_object_get(report, "heard"));
        assert_int_equal(json_array_size(heard), step + 1);
        assert_int_equal(mr_loudness_replay(TARGET, heard, &search, &err), MR_OK);
        mr_loudness_next(&search, ret);
        const char *next = json_string_value(json_object_get(report, "next"));
        *ret_made = strcmp(next, "made") == 0;
        assert_int_equal(search.is_over, strcmp(next, "again") != 0);
        if (search.is_over)
            return;
        const struct mr_heard now = sound_of(clip, ret->filters, true);
        json_decref(measured);
        measured = measured_of(&now);
    }
    fail_msg("the search does not end");
}

static void steps_find_what_one_process_finds(void **state)
{
    (void)state;
    static const struct {
        double integrated, true_peak, codec_db;
        bool is_lossy, is_made;
    } table[] = {
        {-23, -12, 0.2, true, true},   /* there is room */
        {-23, -3, 0.2, true, true},    /* a limiter is needed */
        {-30, -1, 2.5, true, true},    /* the last one is the nearest */
        {-23, -12, 0, false, false},   /* without loss a gain is certain */
        {-23, -3, 0, false, true},     /* but a limiter is not */
        {NAN, NAN, 0, true, false},    /* silence */
        {-100, -100, 0, true, false},  /* further away than any gain */
        {TARGET, -2, 0.1, true, true}, /* it is there */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct clip one = {
            table[i].integrated, table[i].true_peak, table[i].codec_db, table[i].is_lossy, 0, ""};
        struct clip other = one;
        struct mr_gain found, stepped;
        struct mr_err err = {0};
        bool is_made = false;
        assert_int_equal(mr_loudness_find_gain(TARGET, rehearse, &one, &found, &err), MR_OK);
        search_in_steps(&other, &stepped, &is_made);
        assert_string_equal(stepped.filters, found.filters);
        assert_int_equal(other.rehearsals, one.rehearsals);
        if (is_made != table[i].is_made)
            fail_msg("%zu: %s after %d rehearsals", i, is_made ? "made" : "not made", other.rehearsals);
        if (is_made)
            assert_string_equal(other.last, found.filters);
    }
}

static void a_list_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"[1]", "[[-20.0, -3.0]]",
                                        "[[-14.0, -3.0, false], [-14.0, -3.0, false]]"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct mr_loudness_search search;
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *list = json_loads(lists[i], 0, NULL);
        assert_true(mr_loudness_replay(TARGET, list, &search, &err) != MR_OK);
    }
    static const char *const counts[] = {
        "{}", "{\"peak\": 1.0}", "{\"peak\": 0.5, \"blocks\": {\"900\": [1, 0.1]}}",
        "{\"peak\": 0.5, \"blocks\": {\"-1\": [1, 0.1]}}", "{\"peak\": 0.5, \"blocks\": {\"7\": [1]}}"};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct mr_err err = {0};
        MR_AUTO(mr_meter) struct mr_meter meter;
        MR_AUTO_JSON json_t *one = json_loads(counts[i], 0, NULL);
        mr_meter_init(&meter);
        assert_true(mr_meter_add(&meter, one, &err) != MR_OK);
    }
}

enum { RATE = 8000, SECONDS = 40, FRAME = 1152, SAMPLES = RATE * SECONDS };

/* Tones of changing strength, pauses, and one loud click. */
static float sample_at(int i)
{
    double t = (double)i / RATE, strength = 0.02 + 0.3 * fabs(sin(t * 0.7));
    if (i == RATE * 23 + 5)
        return 0.97F;
    return (float)(fmod(t, 7) < 0.8 ? 0 : strength * sin(2 * M_PI * (300 + 50 * floor(t)) * t));
}

/* Hears [begin, end) in frames, and counts [from, to). */
static json_t *hear(int begin, int end, int64_t from, int64_t to)
{
    struct mr_err err = {0};
    MR_AUTO(mr_meter) struct mr_meter meter;
    mr_meter_init(&meter);
    mr_meter_begin(&meter, begin);
    mr_meter_slice(&meter, from, to);
    for (int at = begin; at < end; at += FRAME) {
        MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
        assert_non_null(frame);
        frame->format = AV_SAMPLE_FMT_FLTP;
        frame->sample_rate = RATE;
        frame->nb_samples = end - at < FRAME ? end - at : FRAME;
        frame->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
        assert_true(av_frame_get_buffer(frame, 0) >= 0);
        for (int i = 0; i < frame->nb_samples; i++)
            ((float *)frame->data[0])[i] = sample_at(at + i);
        assert_int_equal(mr_meter_listen(&meter, frame, &err), MR_OK);
    }
    json_t *counts = mr_meter_counts(&meter);
    assert_non_null(counts);
    return counts;
}

static void slices_count_together_what_one_counts(void **state)
{
    (void)state;
    static const int cuts[][4] = {{0, FRAME * 100, SAMPLES},
                                  {0, FRAME * 30, FRAME * 159, SAMPLES}, /* the click is just behind a seam */
                                  {0, RATE * 23 / FRAME * FRAME, FRAME * 200, SAMPLES},
                                  {0, RATE * 7, RATE * 8, SAMPLES}};
    MR_AUTO_JSON json_t *whole = hear(0, SAMPLES, INT64_MIN, INT64_MAX);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct mr_err err = {0};
        MR_AUTO(mr_meter) struct mr_meter sum, one;
        mr_meter_init(&sum);
        mr_meter_init(&one);
        assert_int_equal(mr_meter_add(&one, whole, &err), MR_OK);
        for (const int *cut = cuts[i]; *cut < SAMPLES; cut++) {
            const bool is_last = cut[1] == SAMPLES;
            const int begin = *cut > 3 * RATE ? (*cut - 2 * RATE) / FRAME * FRAME : 0;
            MR_AUTO_JSON json_t *counts = hear(begin, is_last ? SAMPLES : cut[1] + RATE,
                                               *cut ? *cut : INT64_MIN, is_last ? INT64_MAX : cut[1]);
            assert_int_equal(mr_meter_add(&sum, counts, &err), MR_OK);
        }
        int64_t blocks = 0, all = 0;
        for (int bin = 0; bin < MR_METER_BINS; bin++) {
            blocks += sum.blocks[bin];
            all += one.blocks[bin];
        }
        assert_int_equal(blocks, all);
        assert_true(fabs(mr_meter_integrated(&sum) - mr_meter_integrated(&one)) < 1e-6);
        assert_true(fabs(mr_meter_true_peak(&sum) - mr_meter_true_peak(&one)) < 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_find_what_one_process_finds),
        cmocka_unit_test(a_list_that_is_none_is_refused),
        cmocka_unit_test(slices_count_together_what_one_counts),
    };
    return cmocka_run_group_tests_name("loudness", tests, NULL, NULL);
}
