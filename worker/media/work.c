#include "worker/media/work.h"

#include <string.h>

#define MEGA          1e6
#define BASE_SHARE    0.1  /* of the limit: for any file, however small */
#define MAX_PER_KIB   20.0 /* megapixels; 1080p has this at 12 kbit/s */
#define SAMPLE_WEIGHT 5.0  /* an audio encoder's sample of one channel, against a pixel */

/* CPU time of each encoder for the same frames, on one core, half of them noise; libx264 veryfast is 1. */
static const struct {
    const char *encoder, *preset; /* NULL: any */
    double weight;
} weights[] = {
    {"libx264", "ultrafast", 0.4},   {"libx264", "superfast", 0.7}, {"libx264", "faster", 1.5},
    {"libx264", "fast", 2},          {"libx264", "medium", 3},      {"libx264", "slow", 5},
    {"libx264", "slower", 8},        {"libx264", "veryslow", 10},   {"libx265", "ultrafast", 2},
    {"libx265", "fast", 5},          {"libx265", "medium", 6},      {"libx265", "slow", 15},
    {"libx265", "slower", 80},       {"libx265", "veryslow", 120},  {"libx265", NULL, 4},
    {"libsvtav1", "ultrafast", 1.4}, {"libsvtav1", "superfast", 2}, {"libsvtav1", "faster", 4.5},
    {"libsvtav1", "fast", 10},       {"libsvtav1", "medium", 13},   {"libsvtav1", "slow", 28},
    {"libsvtav1", "slower", 45},     {"libsvtav1", "veryslow", 65}, {"libsvtav1", NULL, 3.7},
    {"libvpx-vp9", NULL, 1.2},       {"mpeg4", NULL, 0.25},         {"gif", NULL, 0.5},
};

struct mr_work mr_work_of(int64_t max, int64_t input_size)
{
    double limit = (double)max;
    double for_size = limit * BASE_SHARE + (double)input_size / 1024 * MAX_PER_KIB;
    return (struct mr_work){.max = for_size < limit ? for_size : limit};
}

double mr_work_weight(const char *encoder, const char *preset)
{
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (strcmp(weights[i].encoder, encoder) == 0 &&
            (!weights[i].preset || (preset && strcmp(weights[i].preset, preset) == 0)))
            return weights[i].weight;
    return 1;
}

static double pixels(double weight, int width, int height)
{
    return weight * width * height / MEGA;
}

static bool is_over(const struct mr_work *work, double megapixels)
{
    return work->max > 0 && megapixels > work->max;
}

enum mr_status mr_work_plan_video(const struct mr_work *work, double weight, int width, int height,
                                  double fps, double seconds, struct mr_err *err)
{
    double cost = pixels(weight, width, height) * fps * seconds;
    if (!is_over(work, cost))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_EXPENSIVE,
                        "output of %dx%d at %.0f fps for %.0f s costs %.0f megapixels, more than %.0f:"
                        " lower options.fps or resize, or trim",
                        width, height, fps, seconds, cost, work->max);
}

enum mr_status mr_work_plan_audio(const struct mr_work *work, int rate, int channels, double seconds,
                                  struct mr_err *err)
{
    double cost = SAMPLE_WEIGHT * rate * channels * seconds / MEGA;
    if (!is_over(work, cost))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_EXPENSIVE,
                        "output of %d channels at %d Hz for %.0f s costs %.0f megapixels, more than %.0f:"
                        " lower options.sample_rate, or trim",
                        channels, rate, seconds, cost, work->max);
}

static enum mr_status add(struct mr_work *work, double megapixels, struct mr_err *err)
{
    work->done += megapixels;
    if (!is_over(work, work->done))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_TOO_EXPENSIVE,
                        "file costs more than %.0f megapixels of work: lower options.fps or resize, or trim",
                        work->max);
}

enum mr_status mr_work_encoded(struct mr_work *work, double weight, int width, int height, struct mr_err *err)
{
    return add(work, pixels(weight, width, height), err);
}

enum mr_status mr_work_decoded(struct mr_work *work, int width, int height, struct mr_err *err)
{
    return add(work, pixels(MR_WORK_DECODE_WEIGHT, width, height), err);
}

enum mr_status mr_work_samples(struct mr_work *work, int64_t samples, int channels, struct mr_err *err)
{
    return add(work, SAMPLE_WEIGHT * (double)samples * channels / MEGA, err);
}
