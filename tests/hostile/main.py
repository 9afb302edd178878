"""Mutated media files through real programs. tests/README.md explains it."""

import argparse
import collections
import concurrent.futures
import pathlib
import random
import shutil
import sys
import tempfile
import time

from harness import measure
from harness.media import Media
from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack

import mutate
import sources

PREVIEWS = "previews"  # a probe that makes them
PREVIEW_OPTIONS = '{"thumbnail":{"at":0.1},"filmstrip":{"frames":8},"waveform":{"points":100,"height":32}}'
TARGETS = ["mp3", "aac", "m4a", "ogg", "opus", "wav", "flac", "wma", "mp4", "mov", "mkv", "webm", "avi", "gif",
           "m4b", "aiff", "caf", "ac3", "eac3", "mka", "mpegts", "3gp", PREVIEWS, PREVIEWS]
OPTIONS = ['{}', '{"trim":{"start":0.2}}', '{"split":{"seconds":1}}', '{"loudness":-16}', '{"resize":{"width":64}}',
           '{"thumbnail":{"at":0.1}}', '{"filmstrip":{"frames":8}}', '{"channels":1}', '{"fps":5}', '{"mute":true}']
FRAMES_ALONE = (".ac3", ".eac3")  # libav recognises such a file by its frames, and two of them do not suffice
AT_ONCE = 12
FINAL_WITHIN_S = 180
VALID_EVERY = 10
# A file is never the cause of these.
NOT_A_VERDICT = {"internal", "converter_fault", "service_fault", "input_gone", "interrupted", "sandbox_unavailable",
                 "attempts_exhausted", "delivery_exhausted", "unavailable", "sandbox_protocol", "sandbox_violation"}


def arguments():
    parser = argparse.ArgumentParser(prog="tests/hostile/run.sh")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    return parser.parse_args()


class Run:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.ends = collections.Counter()
        self.findings = []

    def run(self):
        postgres = Postgres(self.directory / "postgres")
        postgres.start()
        (self.directory / "stack").mkdir()
        stack = Stack(self.directory / "stack", postgres, worker_settings={"JOB_TIMEOUT_SECONDS": 120})
        try:
            stack.start()
            self._send_all(stack)
            self._check_programs(stack)
        finally:
            stack.stop()
            postgres.end()

    def _send_all(self, stack):
        (self.directory / "sources").mkdir()
        valid = sources.make(self.directory / "sources")
        chance = random.Random(self.options.seed)
        attacker, neighbour = stack.client(), stack.client()
        tone = Media(self.directory / "media").tone("ogg")
        self.before = self._processes(stack)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = []
            for number in range(self.options.files):
                name, data, what = mutate.draw(chance, valid)
                target, option = chance.choice(TARGETS), chance.choice(OPTIONS) if chance.random() < 0.3 else "{}"
                jobs.append(pool.submit(self._guard, self._attack, attacker, number, name, data, target, option, what))
                if number % VALID_EVERY == 0:
                    jobs.append(pool.submit(self._guard, self._convert, neighbour, tone))
                while sum(not job.done() for job in jobs[-4 * AT_ONCE:]) > 2 * AT_ONCE:  # keeps few files in memory
                    concurrent.futures.wait(jobs[-4 * AT_ONCE:], return_when=concurrent.futures.FIRST_COMPLETED, timeout=0.5)
            for job in jobs:
                job.result()

    def _guard(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # pylint: disable=broad-except # one file must not end the run
            self.findings.append(f"{arguments[-1]}: {type(error).__name__}: {str(error)[:600]}")

    def _attack(self, user, number, name, data, target, option, what):
        if target == PREVIEWS:
            answer = user.post("/api/probe", data={"options": PREVIEW_OPTIONS}, files={"fileName": (name, data)})
        else:
            answer = user.try_upload(data, target, name, options=option)
        if answer.status_code >= 300:  # options that do not fit the format, an empty file, …
            assert 400 <= answer.status_code < 500 and answer.json()["code"] not in NOT_A_VERDICT, answer.text
            self.ends[answer.json()["code"]] += 1
            return
        task = user.wait(answer.json()["task"], FINAL_WITHIN_S)
        code = task["error"]["code"] if task["status"] == "failed" else task["status"]
        self.ends[code] += 1
        if code in NOT_A_VERDICT:
            kept = self.directory / f"{number}-{name}"
            kept.write_bytes(data)
            raise AssertionError(f"to {target} {option}: {task['error']}; the file is {kept}")
        if code == "processed" and target != PREVIEWS:
            self._check_result(user, number, target, task)

    def _check_result(self, user, number, target, task):
        path = self.directory / f"result-{number}.{target}"
        user.download(task, path)
        assert path.stat().st_size == task["receipt"]["output"]["size"] if "output" in task["receipt"] else True
        form = path.suffix[1:] if path.suffix in FRAMES_ALONE else None
        assert measure.probe(path, form)["streams"], "the result has no stream"
        path.unlink()

    def _convert(self, user, tone):
        task = user.finish(user.upload(tone, "flac"), FINAL_WITHIN_S)
        assert abs(task["receipt"]["outputs"][0]["duration_ms"] - 2000) < 60, task["receipt"]
        self.ends["valid"] += 1

    def _processes(self, stack):
        worker = stack.worker.process.pid
        zygotes = pathlib.Path(f"/proc/{worker}/task/{worker}/children").read_text(encoding="ascii").split()
        return worker, stack.web.process.pid, zygotes[:1]

    def _check_programs(self, stack):
        now = self._processes(stack)
        if now != self.before:
            self.findings.append(f"processes changed (worker, web, zygote): {self.before} became {now}")


def main():
    options = arguments()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="mediarun-hostile."))
    directory.chmod(0o755)
    print(f"seed {options.seed}, build {BUILD.name}, {options.files} files", flush=True)
    began, run = time.monotonic(), Run(options, directory)
    try:
        run.run()
    except AssertionError as error:
        run.findings.append(str(error))
    for finding in run.findings[:20]:
        print("FOUND ", finding)
    print(", ".join(f"{code} {count}" for code, count in run.ends.most_common()))
    expected = options.files + (options.files + VALID_EVERY - 1) // VALID_EVERY
    if sum(run.ends.values()) != expected and not run.findings:
        run.findings.append("some tasks are missing")
    print(f"hostile: {options.files} files, {run.ends['valid']} valid tasks between them, {len(run.findings)} findings, "
          f"{time.monotonic() - began:.0f} s, seed {options.seed}")
    print(f"{0 if run.findings else 1} passed, {min(len(run.findings), 1)} failed")
    if run.findings:
        print(f"files and logs: {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
