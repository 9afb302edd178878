"""One conversion of a long clip, cut or not: its result, and what the workers say of its parts."""

import collections
import datetime
import json

from harness import video_output
from harness.waiting import wait_for

BASE_SECONDS = 12  # made once, and repeated to the length that is wanted
GROUP_SECONDS = 2
RATE = 30
CRF = 21  # about 9 Mbit/s of 720p, as a phone records; less would be smoother than what cameras give
PATIENCE = 3600
INTERVAL = 1  # asked more often, the task takes 3 % of the processors that two workers share; its times are in the database
WHOLE = ("wav", "flac")  # new formats that units do not make

# A pattern that moves, noise as a camera's, and small cells that come and go.
VIDEO = ("testsrc2=size={size}:rate={rate},scroll=h=0.002:v=0.001,noise=alls=8:allf=t[pattern];"
         "life=size=320x180:rate={rate}:seed=7:ratio=0.2:mold=10:life_color=#ffe080:death_color=#304060,scale={size},format=yuv420p[cells];"
         "[pattern][cells]blend=all_mode=average,format=yuv420p")
AUDIO = "aevalsrc=0.3*sin(440*2*PI*t)*sin(t)+0.02*random(0):s=48000:d={seconds}"

Part = collections.namedtuple("Part", "n kind from_us")
Span = collections.namedtuple("Span", "begin end")  # of a job, in seconds of the workers' clock


def clip(media, ffmpeg, size, seconds, group=GROUP_SECONDS):
    """H.264 with a key frame every `group` seconds, and AAC. seconds: a multiple of BASE_SECONDS, so that no frame is cut off."""
    assert seconds % BASE_SECONDS == 0
    keys = ["-g", RATE * group, "-keyint_min", RATE * group, "-sc_threshold", 0]
    base = media.once(f"units-{size}-{group}-base.mp4", lambda path: ffmpeg(
        "-f", "lavfi", "-i", VIDEO.format(size=size, rate=RATE), "-t", BASE_SECONDS, "-c:v", "libx264", "-preset", "veryfast", "-crf", CRF,
        *keys, path))
    return media.once(f"units-{size}-{group}-{seconds}.mp4", lambda path: ffmpeg(
        "-stream_loop", seconds // BASE_SECONDS - 1, "-i", base, "-f", "lavfi", "-i", AUDIO.format(seconds=seconds), "-map", "0:v", "-map", "1:a",
        "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", path))


class Run:
    """A finished task. parts: its units as the database had them, none if it was not cut."""

    def __init__(self, stack, client, source, new_format, options, during=None):
        """during: called with this run while it goes on, once it is cut; it returns when the task has ended."""
        self.stack, self.client = stack, client
        self.task = client.upload(source, new_format, options=json.dumps(options))
        self.parts = self._wait_for_plan() if self._is_cut(new_format) else []
        if during:
            during(self)
        self.task = client.finish(self.task, PATIENCE, INTERVAL)
        assert bool(self.parts) == ("units" in self.task["receipt"]), self.task

    def _is_cut(self, new_format):
        return self.stack.workers[0].env["UNIT_SECONDS"] != "0" and new_format not in WHOLE

    def _wait_for_plan(self):
        rows = wait_for(lambda: self.stack.sql(f"SELECT n, kind, from_us FROM units WHERE task_id = {self.task['id']} ORDER BY n"),
                        "the plan of units", 60)
        return [Part(int(n), kind, int(from_us)) for n, kind, from_us in rows]

    @property
    def seams(self):
        """Seconds at which units of video begin, but the first."""
        return [part.from_us / 1e6 for part in self.parts if part.kind == "video" and part.from_us > 0]

    def seconds(self):
        """From the end of the upload to the result."""
        return float(self.stack.sql(f"SELECT extract(epoch FROM processed_at - uploaded_at) FROM tasks WHERE id = {self.task['id']}")[0][0])

    def spans(self, kind):
        """Of the jobs of that kind of part, or of the plan, in their order. A worker logs the end of a job after it has stored it.
        That of a join says how long the whole task took."""
        wanted = {part.n for part in self.parts if part.kind == kind} if kind != "plan" else {0}
        wait_for(lambda: len(self._ends(wanted)) >= len(wanted), f"the log lines of {kind}", 10)
        return sorted(self._ends(wanted))

    def _ends(self, wanted):
        found = []
        for worker in self.stack.workers:
            for record in worker.records():
                if record.get("task_id") == self.task["id"] and record.get("end") in ("committed", "cut") and record.get("unit") in wanted:
                    end = datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()
                    found.append(Span(end - record["seconds"], end))
        return found

    def download(self, directory):
        directory.mkdir()
        return video_output.fetch(self.client, self.task, directory)
