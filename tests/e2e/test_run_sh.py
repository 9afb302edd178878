"""infra/local/run.sh, the one command of a newcomer, used with curl only."""

import json
import os
import pathlib
import re
import signal
import stat
import subprocess

import pytest
import requests

from harness import measure
from harness.paths import ROOT, SANITIZED
from harness.run_sh import Run
from harness.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SANITIZED, reason="run.sh runs the release build"), pytest.mark.xdist_group("run_sh")]


@pytest.fixture
def run(tmp_path):
    made = []

    def make(**settings):
        made.append(Run(tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--fail-with-body", *map(str, arguments)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sign_in(url, name="ana", signup=True):
    who = {"username": name, "password": "Secret12"}
    if signup:
        body = json.dumps({"username": name, "email": f"{name}@example.com", "password1": "Secret12", "password2": "Secret12"})
        curl(f"{url}/api/auth/signup", "-H", "Content-Type: application/json", "-d", body)
    answer = curl(f"{url}/api/auth/login", "-H", "Content-Type: application/json", "-d", json.dumps(who))
    return f"Authorization: Bearer {json.loads(answer)['access_token']}"


def convert(url, auth, source, target, result):
    """Converts with curl, as in README.md."""
    task = json.loads(curl(f"{url}/api/tasks", "-H", auth, "-F", f"fileName=@{source}", "-F", f"newFormat={target}"))["task"]

    def done():
        found = json.loads(curl(f"{url}/api/tasks/{task['id']}", "-H", auth))
        assert found["status"] != "failed", found
        return found["status"] == "processed"

    wait_for(done, "conversion", 60)
    curl(f"{url}/api/files/{task['file_id']}", "-H", auth, "-o", result)
    return task


def first_conversion(url, directory):
    """Runs the commands under "First conversion" in README.md with this server, in a directory; song.flac is there then."""
    commands = re.search(r"## First conversion.*?```\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL).group(1)
    assert "http://localhost:8080" in commands
    done = subprocess.run(["bash", "-c", commands.replace("http://localhost:8080", url)], cwd=directory, capture_output=True,
                          text=True, check=False, timeout=60)
    assert done.returncode == 0 and '"status":"processed"' in done.stdout, done.stdout + done.stderr
    return directory / "song.flac"


def test_first_run_and_restart(run, media, tmp_path):
    first = run().start()
    song = first_conversion(first.url, tmp_path)
    assert measure.frequency(measure.middle(measure.samples(song))) == pytest.approx(440, rel=0.01)
    auth = sign_in(first.url, signup=False)
    source = media.tone("mp3", seconds=2)
    result = tmp_path / "result.flac"
    task = convert(first.url, auth, source, "flac", result)
    assert measure.frequency(measure.middle(measure.samples(result))) == pytest.approx(440, rel=0.01)

    # Secrets are in private files, not in arguments. PostgreSQL does not run as root and listens on no port.
    for path in (first.data / "jwt_secret", first.data / "emulator/identity/key.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    secret = (first.data / "jwt_secret").read_text().strip()
    for pid in first.family():
        try:
            arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue  # a connection of PostgreSQL that has ended
        assert secret.encode() not in arguments
    assert os.stat(f"/proc/{first.pid_of('postgres')}").st_uid != 0 or os.geteuid() != 0
    assert not (first.data / "postgres/postmaster.pid").read_text().splitlines()[5].strip(), "no TCP address"

    # A program that dies is started again.
    for name in ("mediarun-worker", "mediarun-web"):
        dead = first.pid_of(name)
        os.kill(dead, signal.SIGKILL)
        wait_for(lambda: [pid for pid, found in first.family().items() if found == name[:15] and pid != dead and first.is_main(pid)],
                 f"restart of {name}", 20)
    wait_for(lambda: requests.get(f"http://127.0.0.1:{first.worker_port}/alive", timeout=5).status_code == 200
             if is_open(first.worker_port) else None, "the new worker")
    wait_for(lambda: is_open(first.port), "the new web")
    convert(first.url, auth, source, "ogg", tmp_path / "result.ogg")

    # SIGTERM ends all processes.
    first.process.terminate()
    assert first.wait() == 0
    wait_for(lambda: not first.family(), "end of all processes", 5)
    assert not list((first.data / "postgres").glob("postmaster.pid"))

    # The next run has the data of the first and accepts its token.
    second = run(PORT=first.port).start()
    again = tmp_path / "again.flac"
    curl(f"{second.url}/api/files/{task['file_id']}", "-H", auth, "-o", again)
    assert again.read_bytes() == result.read_bytes()
    convert(second.url, sign_in(second.url, signup=False), source, "wav", tmp_path / "result.wav")

    # Ctrl-C, sent to the process group as by a terminal.
    os.killpg(second.process.pid, signal.SIGINT)
    assert second.wait() == 130
    wait_for(lambda: not second.family(), "end of all processes", 5)


def is_open(port):
    try:
        requests.get(f"http://127.0.0.1:{port}/alive", timeout=5)
        return True
    except requests.ConnectionError:
        return False


def test_kill_and_double_start(run, media, tmp_path):
    """After SIGKILL no process is left, and the next run works."""
    first = run(WORKERS="2").start()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = run(PORT=first.port, WORKERS="2").start()
    convert(second.url, sign_in(second.url), media.tone(), "mp3", tmp_path / "result.mp3")
    family = second.family()
    assert sum(name.startswith("mediarun-web") for name in family.values()) == 1

    # A second run in the same directory fails and leaves the first one alone.
    third = Run(tmp_path)
    third.log_path = tmp_path / "third.log"
    third.start(ready=False)
    assert third.wait() == 1 and "in use" in third.log()
    assert requests.get(second.url + "/api-health", timeout=5).status_code == 200

    # When the emulator dies, all processes end, with an error.
    os.kill(second.pid_of("mediarun-emulator"), signal.SIGKILL)
    assert second.wait() == 1
    assert "emulator" in second.log()
    wait_for(lambda: not second.family(), "end of all processes", 5)


@pytest.mark.parametrize("settings, words", [
    ({"PORT": "nonsense"}, "PORT"), ({"WORKERS": "0"}, "WORKERS"), ({"EMULATOR_PORT": "99999"}, "EMULATOR_PORT"),
    ({"EMULATOR_CONNECTIONS": "5"}, "EMULATOR_CONNECTIONS"),
    ({"PUBSUB_EMULATOR_HOST": "127.0.0.1:8432"}, "PUSH_AUTH=none"), ({"PUBSUB_EMULATOR_HOST": "http://127.0.0.1:8432"}, "without http://"),
    ({"PUBSUB_EMULATOR_HOST": "127.0.0.1:1", "PUSH_AUTH": "none"}, "nothing answers at http://127.0.0.1:1: check PUBSUB_EMULATOR_HOST"),
    ({"STORAGE_EMULATOR_HOST": "127.0.0.1:9023"}, "must begin with http://")])
def test_invalid_settings(run, settings, words):
    broken = run()
    broken.env.update(settings)
    broken.start(ready=False)
    assert broken.wait() == 1
    assert words in broken.log()


def test_port_in_use(run, emulator):
    taken = run(PORT=emulator.port)
    taken.start(ready=False)
    assert taken.wait(120) == 1
    assert f"port {emulator.port} is already in use" in taken.log() and "PORT=" in taken.log()
    assert not taken.family()
