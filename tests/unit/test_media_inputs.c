/* Each container and codec that people have (worker/media/inputs.def): a file of it, made here, is converted. */
#include "tests/unit/video_fixture.h"
#include "worker/media/inputs.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME     "-f lavfi -i color=white:s=80x90:r=25:d=1,pad=160:90 "
#define PAL       "-f lavfi -i color=white:s=360x576:r=25:d=1,pad=720:576 "
#define FREQUENCY 440
enum { RATE = 16000, BATCH = 16 };

struct input {
    const char *file, *encode; /* how ffmpeg makes it; its muxer follows from the name, or is given */
};

/* The tone has 440 Hz, one second, 48 kHz, two channels. */
static const struct input sounds[] = {
    {"a.wv", ""},
    {"a.tta", ""},
    {"a.ac3", ""},
    {"a.eac3", ""},
    {"a.dts", "-c:a dca -strict -2"},
    {"a.thd", "-c:a truehd -strict -2"},
    {"a.mlp", "-c:a mlp -strict -2"},
    {"a.mp2", ""},
    {"a.voc", "-c:a pcm_s16le"},
    {"a.spx", "-c:a libspeex -ar 16000"},
    {"a.ra", "-f rm -c:a real_144 -ac 1 -ar 8000"},
    {"dts.wav", "-c:a dca -strict -2 -ac 2 -ar 44100"},
    {"g722.wav", "-c:a g722 -ac 1 -ar 16000"},
    {"g726.wav", "-c:a g726 -b:a 32k -ac 1 -ar 8000"},
    {"ms.wav", "-c:a adpcm_ms"},
    {"ima.wav", "-c:a adpcm_ima_wav"},
    {"yamaha.wav", "-c:a adpcm_yamaha"},
    {"mulaw.wav", "-c:a pcm_mulaw"},
    {"float.w64", "-c:a pcm_f64le"},
    {"swf.flv", "-c:a adpcm_swf -ar 44100"},
    {"nellymoser.flv", "-c:a nellymoser -ac 1 -ar 44100"},
    {"ima.caf", "-c:a adpcm_ima_qt -ar 44100"},
    {"alac.caf", "-c:a alac"},
    {"latm.loas", "-f latm -c:a aac"},
    {"a.amv.wav", "-c:a pcm_u8"},
    {"s302m.ts", "-c:a s302m -strict -2"},
    {"wavpack.mka", "-c:a wavpack"},
    {"truehd.mka", "-c:a truehd -strict -2"},
    {"tta.mka", "-c:a tta"},
    {"ac3.mov", "-c:a ac3"},
    {"a.aifc", "-f aiff -c:a pcm_alaw"},
};
enum { SOUNDS = sizeof sounds / sizeof *sounds };

/* The left half is white, the right half black; one second, 160x90, 25 frames per second. */
static const struct input pictures[] = {
    {"a.h264", "-c:v libx264 -preset ultrafast -bf 2"},
    {"a.hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none"},
    {"a.obu", "-c:v libaom-av1 -cpu-used 8 -usage realtime"},
    {"a.m2v", "-c:v mpeg2video -bf 2"},
    {"a.m4v", "-f m4v -c:v mpeg4 -bf 2"},
    {"vp8.ivf", "-c:v libvpx -deadline realtime"},
    {"av1.ivf", "-c:v libaom-av1 -cpu-used 8 -usage realtime"},
    {"a.y4m", ""},
    {"a.apng", "-f apng"},
    {"a.mxf", "-c:v mpeg2video"},
    {"a.wtv", "-c:v mpeg2video"},
    {"a.nut", "-c:v mpeg4"},
    {"qtrle.mov", "-c:v qtrle"},
    {"prores.mov", "-c:v prores_ks"},
    {"dnxhr.mov", "-c:v dnxhd -profile:v dnxhr_sq -pix_fmt yuv422p -s 320x192"},
    {"cfhd.mov", "-c:v cfhd -pix_fmt yuv422p10le -s 160x96"},
    {"v210.mov", "-c:v v210"},
    {"svq1.mov", "-c:v svq1"},
    {"rpza.mov", "-c:v rpza -s 176x144"},
    {"j2k.mov", "-c:v jpeg2000"},
    {"vc2.mov", "-c:v vc2"},
    {"h263.3gp", "-c:v h263 -s 176x144"},
    {"ffv1.mkv", "-c:v ffv1"},
    {"mjpeg.avi", "-c:v mjpeg -pix_fmt yuvj420p"},
    {"ut.avi", "-c:v utvideo"},
    {"huff.avi", "-c:v huffyuv"},
    {"ffvhuff.avi", "-c:v ffvhuff"},
    {"magic.avi", "-c:v magicyuv"},
    {"zmbv.avi", "-c:v zmbv"},
    {"msvideo1.avi", "-c:v msvideo1 -s 160x96"},
    {"h261.avi", "-c:v h261 -s 176x144"},
    {"rv10.rm", "-c:v rv10 -s 160x96"},
    {"rv20.rm", "-c:v rv20 -s 160x96"},
    {"flv1.flv", "-c:v flv"},
    {"flashsv.flv", "-c:v flashsv"},
    {"flashsv2.flv", "-c:v flashsv2"},
    {"wmv1.asf", "-c:v wmv1"},
    {"wmv2.wmv", "-c:v wmv2"},
    {"divx3.avi", "-c:v msmpeg4"},
    {"msmpeg4v2.avi", "-c:v msmpeg4v2"},
    {"theora.ogv", "-c:v libtheora"},
};
enum { PICTURES = sizeof pictures / sizeof *pictures };

/* DV and DVDs have their own forms of video and audio. */
static const struct input films[] = {
    {"a.dv", "-c:a pcm_s16le"},
    {"a.vob", "-c:v mpeg2video -c:a pcm_dvd"},
};
enum { FILMS = sizeof films / sizeof *films };

/* Several by one ffmpeg: its start takes longer than such a file. */
static void make(const char *source, const char *map, const struct input *inputs, size_t count)
{
    for (size_t i = 0; i < count; i += BATCH) {
        char text[4000] = "";
        size_t len = 0;
        for (size_t at = i; at < count && at < i + BATCH; at++)
            len += (size_t)snprintf(text + len, sizeof text - len, " %s %s %s", map, inputs[at].encode,
                                    inputs[at].file);
        assert_true(len < sizeof text);
        media_ffmpeg(video_dir(), "%s%s", source, text);
    }
}

static void names(const struct input *inputs, size_t count, const char *extension, char (*ret)[32],
                  const char **ret_list)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(ret[i], sizeof *ret, "%s.%s", inputs[i].file, extension);
        ret_list[i] = ret[i];
    }
}

/* Codecs of blocks fill the last one up. */
static void check_sounds(const char *const files[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct media_samples samples = media_decode(video_dir(), files[i], RATE);
        assert_near((double)samples.count / RATE, 1.06, 0.11, files[i]);
        assert_near(media_tone_db(&samples, FREQUENCY), -21, 3, files[i]);
        media_samples_free(&samples);
    }
}

/* The first picture, as two pixels. */
static void check_pictures(const char *const files[], size_t count)
{
    char text[4000] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " -i %s", files[i]);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(
            text + len, sizeof text - len,
            " -map %zu:v -vf scale=2:1:flags=area,format=gray -frames:v 1 -f rawvideo pixels.%zu", i, i);
    assert_true(len < sizeof text);
    media_ffmpeg(video_dir(), "%s", text);
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        char *pixels = media_run(video_dir(), &size, "cat pixels.%zu", i);
        assert_int_equal(size, 2);
        assert_near((unsigned char)pixels[0], 250, 20, files[i]);
        assert_near((unsigned char)pixels[1], 5, 20, files[i]);
        free(pixels);
    }
}

static void check_length(const char *file, const json_t *receipt)
{
    const json_t *output = json_object_get(receipt, "output");
    assert_near((double)json_integer_value(json_object_get(output, "duration_ms")) / 1000, 1, 0.06, file);
}

static void test_sounds(void **state)
{
    (void)state;
    char files[SOUNDS][32];
    const char *list[SOUNDS];
    names(sounds, SOUNDS, "wav", files, list);
    make("-f lavfi -i sine=440:d=1:r=48000,aformat=channel_layouts=stereo", "-map 0", sounds, SOUNDS);
    for (size_t i = 0; i < SOUNDS; i++)
        json_decref(edit_ok(sounds[i].file, files[i], "wav", NULL));
    check_sounds(list, SOUNDS);
}

static void test_pictures(void **state)
{
    (void)state;
    char files[PICTURES][32];
    const char *list[PICTURES];
    names(pictures, PICTURES, "mkv", files, list);
    make(FRAME, "-map 0", pictures, PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(pictures[i].file, files[i], "mkv", NULL);
        check_length(pictures[i].file, receipt);
    }
    check_pictures(list, PICTURES);
}

static void test_films(void **state)
{
    (void)state;
    char files[FILMS][32];
    const char *list[FILMS];
    names(films, FILMS, "mp4", files, list);
    make(PAL "-f lavfi -i sine=440:d=1:r=48000,aformat=channel_layouts=stereo", "-map 0 -map 1", films,
         FILMS);
    for (size_t i = 0; i < FILMS; i++) {
        MR_AUTO_JSON json_t *receipt = edit_ok(films[i].file, files[i], "mp4", NULL);
        check_length(films[i].file, receipt);
    }
    check_pictures(list, FILMS);
    check_sounds(list, FILMS);
}

/* Without times of presentation the order of decoding would become that of showing. */
static void test_bare_streams_keep_all_frames(void **state)
{
    (void)state;
    static const char *const files[] = {"b.h264", "b.hevc", "b.m2v", "b.m4v"};
    media_ffmpeg(video_dir(), "-f lavfi -i testsrc2=s=160x90:r=25:d=2 -c:v libx264 -bf 3 b.h264 "
                              "-c:v libx265 -x265-params log-level=none b.hevc -c:v mpeg2video -bf 2 b.m2v "
                              "-c:v mpeg4 -bf 2 -f m4v b.m4v");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        json_decref(edit_ok(files[i], "bare.mkv", "mkv", NULL));
        size_t size = 0;
        char *log = media_run(
            video_dir(), &size,
            "ffmpeg -v error -r 25 -i %s -i bare.mkv -lavfi "
            "[0:v]settb=1/25,setpts=N[a];[1:v]settb=1/25,setpts=N[b];[a][b]psnr=stats_file=- -f null -",
            files[i]);
        int frames = 0;
        for (const char *at = log; (at = strstr(at, "psnr_avg:")); at++, frames++)
            assert_true(strtod(at + 9, NULL) > 28 || strncmp(at + 9, "inf", 3) == 0);
        assert_int_equal(frames, 50);
        free(log);
    }
}

/* Both libraries have all of the table: Debian's, and those of infra/ffmpeg.sh. */
static void test_libav_has_them(void **state)
{
    (void)state;
    char name[64];
    int len;
    for (const char *at = mr_inputs_demuxers(); *at; at += len + (at[len] == ',')) {
        snprintf(name, sizeof name, "%.*s", len = (int)strcspn(at, ","), at);
        if (!av_find_input_format(name))
            fail_msg("no demuxer %s", name);
    }
    for (const char *at = mr_inputs_decoders(); *at; at += len + (at[len] == ',')) {
        snprintf(name, sizeof name, "%.*s", len = (int)strcspn(at, ","), at);
        if (!avcodec_find_decoder_by_name(name))
            fail_msg("no decoder %s", name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libav_has_them),
        cmocka_unit_test(test_sounds),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_films),
        cmocka_unit_test(test_bare_streams_keep_all_frames),
    };
    if (!video_start())
        return 1;
    int failed = cmocka_run_group_tests_name("media inputs", tests, NULL, NULL);
    video_stop();
    return failed;
}
