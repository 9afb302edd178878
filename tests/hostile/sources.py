"""Valid files of many containers and codecs, made by ffmpeg: what the mutations start from."""

from harness.media import ENCODERS, ffmpeg

PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=1"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=22050"]

# extension → arguments of ffmpeg after its inputs
AUDIO = {
    "aiff": ["-c:a", "pcm_s16be"], "au": ["-c:a", "pcm_mulaw"], "caf": ["-c:a", "alac"], "ac3": ["-c:a", "ac3"],
    "mp2": ["-c:a", "mp2"], "w64": ["-c:a", "pcm_f32le"], "tta": ["-c:a", "tta"], "wv": ["-c:a", "wavpack"],
    "adpcm.wav": ["-c:a", "adpcm_ima_wav"], "mka": ["-c:a", "libopus"],
}
VIDEO = {
    "mp4": ["-c:v", "libx264", "-c:a", "aac"], "fragmented.mp4": ["-c:v", "libx264", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"],
    "mov": ["-c:v", "mpeg4", "-c:a", "pcm_s16le"], "mkv": ["-c:v", "libx264", "-c:a", "flac"],
    "webm": ["-c:v", "libvpx", "-c:a", "libvorbis"], "avi": ["-c:v", "mpeg4", "-c:a", "libmp3lame"],
    "flv": ["-c:v", "flv", "-c:a", "libmp3lame"], "ts": ["-c:v", "mpeg2video", "-c:a", "mp2"],
    "mpg": ["-c:v", "mpeg1video", "-c:a", "mp2"], "wmv": ["-c:v", "wmv2", "-c:a", "wmav2"],
    "3gp": ["-c:v", "h263", "-s", "176x144", "-c:a", "aac"], "nut": ["-c:v", "ffv1", "-c:a", "pcm_s16le"],
    "ogv": ["-c:v", "libtheora", "-c:a", "libvorbis"],
}
PICTURES = {"gif": [], "png": ["-frames:v", "1"], "jpg": ["-frames:v", "1"], "apng": ["-f", "apng"], "webp": ["-frames:v", "1"]}


def make(directory):
    """Returns [(file name, bytes)]."""
    plans = {f"tone.{extension}": [*TONE, *encoder] for extension, encoder in ENCODERS.values()}
    plans |= {f"tone.{name}": [*TONE, *encoder] for name, encoder in AUDIO.items()}
    plans |= {f"video.{name}": [*PICTURE, *TONE, "-shortest", *encoder] for name, encoder in VIDEO.items()}
    plans |= {f"picture.{name}": [*PICTURE, *encoder] for name, encoder in PICTURES.items()}
    made = []
    for name, arguments in plans.items():
        path = directory / name
        ffmpeg(*arguments, path)
        made.append((name, path.read_bytes()))
    return made
