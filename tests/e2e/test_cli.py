"""The command line, mediarun: results, exit statuses, and what it does after interruptions."""

import json
import os
import pty
import shutil
import signal
import subprocess

import pytest
import requests

from harness import direct_upload, measure
from harness.paths import BUILD, PATIENCE, ROOT, VARIANT
from harness.program import SANITIZER_REPORT
from harness.waiting import free_port, wait_for
from harness.web_relay import WebRelay

pytestmark = [pytest.mark.sanitized, pytest.mark.xdist_group("cli"), pytest.mark.sequential]

DONE, FAILED, USAGE, REFUSED, UNREACHABLE, LOCAL, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 5, 130, 143
INSERT = "storage.objects.insert"
CREATE = "POST /api/tasks"


class Result:
    def __init__(self, status, out, err):
        self.status, self.bytes, self.err = status, out, err.decode("utf-8")
        assert not SANITIZER_REPORT.search(self.err), self.err

    @property
    def out(self):
        return self.bytes.decode("utf-8")

    @property
    def documents(self):
        return [json.loads(line) for line in self.out.splitlines()]


class Cli:
    """Runs mediarun in a folder of its own, as a user with a home of its own."""

    def __init__(self, directory, url, key=None):
        self.folder = directory / "work"
        self.home = directory / "home"
        self.folder.mkdir()
        self.home.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MEDIARUN_"))}
        self.env |= {"HOME": str(self.home), "MEDIARUN_URL": url, **({"MEDIARUN_API_KEY": key} if key else {})}

    def start(self, *words, **more):
        return subprocess.Popen([BUILD / "mediarun", *map(str, words)], cwd=self.folder, env=self.env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run(self, *words, data=b"", expect=DONE):
        result = finish(self.start(*words), data)
        assert result.status == expect, (words, result.status, result.bytes, result.err)
        return result

    def path(self, name):
        return self.folder / name

    def states(self):
        """What is kept of uploads that are under way."""
        directory = self.home / ".local/state/mediarun"
        return [json.loads(text) for text in (path.read_text() for path in directory.glob("upload-*")) if text]


def finish(process, data=b""):
    out, err = process.communicate(data, timeout=60 * PATIENCE)
    return Result(process.returncode, out, err)


@pytest.fixture
def cli(stack, user, tmp_path):
    key = user.post("/api/keys", json={"name": "cli", "scopes": ["read", "write"]}).json()["key"]
    return Cli(tmp_path, stack.url, key)


@pytest.fixture(autouse=True)
def no_faults_left(shared_stack):
    yield
    shared_stack.storage_faults()


def samples(path):
    """The decoded audio."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-f", "s16le", "-"], capture_output=True, check=True)
    return done.stdout


def leftovers(cli):
    return [path.name for path in cli.folder.iterdir() if path.name.startswith(".mediarun")]


def test_several_files_one_of_them_bad(cli, user, media):
    names = ["a tone.wav", "Größe – 音.wav", "bad.wav"]
    for name, frequency in zip(names, (440, 880)):
        shutil.copy(media.tone(seconds=1, frequency=frequency), cli.path(name))
    cli.path("bad.wav").write_bytes(b"this is no media" * 100)
    result = cli.run("convert", names[0], "bad.wav", names[1], "missing.wav", "--to", "flac", expect=FAILED)
    assert result.out.splitlines() == ["a tone.flac", "Größe – 音.flac"]
    lines = result.err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("mediarun: missing.wav: No such file or directory"), lines
    assert lines[1].startswith("mediarun: bad.wav: ") and lines[1].endswith((" (not_media)", " (invalid_media)")), lines
    for name in (names[0], names[1]):
        assert samples(cli.path(name).with_suffix(".flac")) == samples(cli.path(name))
    assert oct(cli.path("a tone.flac").stat().st_mode & 0o777) == oct(0o666 & ~current_umask())
    assert not cli.states() and not leftovers(cli)

    listed = cli.run("ls", "--json").documents
    assert [task["original_file"] for task in listed] == [names[1], "bad.wav", names[0]]
    assert [task["status"] for task in listed] == ["processed", "failed", "processed"]
    assert "a tone.wav" in cli.run("ls", "--status", "processed", "-n", 5).out
    task = str(listed[2]["id"])
    assert "output_exists" in cli.run("get", task, expect=LOCAL).err
    cli.path("there").mkdir()
    assert cli.run("get", task, "--output", "there").out == "there/a tone.flac\n"
    assert cli.path("there/a tone.flac").read_bytes() == cli.path("a tone.flac").read_bytes()
    cli.path("a tone.flac").write_bytes(b"old")
    cli.run("get", task, "--force")
    assert cli.path("there/a tone.flac").read_bytes() == cli.path("a tone.flac").read_bytes()
    assert cli.run("cancel", task, expect=FAILED).err.endswith("(task_has_ended)\n")
    cli.run("rm", task, listed[0]["id"])
    assert "not_found" in cli.run("rm", task, expect=FAILED).err
    assert "not_found" in cli.run("get", task, expect=FAILED).err
    assert len(user.tasks()) == 1


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_pipes_options_and_json(cli, user, media):
    tone = media.tone(seconds=1)
    data = tone.read_bytes()
    result = cli.run("convert", "-", "--name", "memo.wav", "--to", "flac", "-o", "-", data=data)
    cli.path("memo.flac").write_bytes(result.bytes)
    assert samples(cli.path("memo.flac")) == samples(tone) and not result.err

    found = cli.run("convert", tone, "--to", "ogg", "--option", "bitrate=64000", "-O", "trim.duration=0.5", "--json").documents
    assert found[0]["status"] == "processed" and found[0]["options"] == {"bitrate": 64000, "trim": {"duration": 0.5}}
    again = cli.run("convert", tone, "--to", "ogg", "-O", "bitrate=64000", "-O", "trim.duration=0.5", "--json", "--reuse", "--force").documents
    assert again[0]["receipt"]["reused"] == {"task": found[0]["id"]}
    path = cli.path(found[0]["processed_file"])
    assert float(measure.probe(path)["format"]["duration"]) == pytest.approx(0.5, abs=0.05)

    parts = cli.run("convert", tone, "--to", "flac", "-O", "split.seconds=1", "-O", "trim.duration=1", "-o", "parts/", "-w",
                    expect=LOCAL)
    assert "parts" in parts.err and "converts" in parts.err, "the folder is missing; --watch has lines"
    number = cli.run("convert", tone, "--to", "mp3", "--no-wait").out.strip()
    assert cli.run("get", number, "-o", "late.mp3").out == "late.mp3\n"
    assert measure.probe(cli.path("late.mp3"))["streams"][0]["codec_name"] == "mp3"
    probed = cli.run("probe", tone, "-", "--json", data=data).documents
    assert [(one["codec"], one["sample_rate"]) for one in probed] == [("pcm_s16le", 44100)] * 2
    assert json.loads(cli.run("probe", tone).out) == probed[0]
    assert not cli.states()


def test_refusals(cli, media, tmp_path):
    tone = media.tone(seconds=1)
    cases = [
        (("convert", tone, "--to", "mp5"), FAILED, "newFormat", "unsupported_format"),
        (("convert", tone, "--to", "mp3", "-O", "bitrate=1"), FAILED, "options.bitrate", "out_of_range"),
        (("convert", "http://127.0.0.1/a.wav", "--to", "mp3"), FAILED, "url", "address_refused"),
        (("convert", ".", "--to", "mp3"), LOCAL, "Is a directory", "local_file"),
        (("convert", "/dev/null", "--to", "mp3"), FAILED, "empty", "empty_file"),
        (("get", "77777777"), FAILED, "not found", "not_found"),
        (("ls", "--status", "lost"), FAILED, "status", ""),
        (("convert", tone), USAGE, "--to", ""),
        (("convert", tone, "--to", "mp3", "-O", "bitrate"), USAGE, "NAME=VALUE", ""),
        (("fly",), USAGE, "fly", ""),
        ((), USAGE, "command", ""),
        (("ls", "--to", "x"), USAGE, "--to", ""),
    ]
    for words, status, *parts in cases:
        result = cli.run(*words, expect=status)
        assert all(part in result.err for part in parts) and not result.out, (words, result.err)
    assert "usage: mediarun convert" in cli.run("convert", "--help").out
    assert "probe" in cli.run("--help").out and "mediarun" in cli.run("--version").out
    cli.env["MEDIARUN_URL"] = "ftp://example.com"
    assert "MEDIARUN_URL" in cli.run("ls", expect=USAGE).err
    cli.env["MEDIARUN_URL"] = f"http://127.0.0.1:{free_port()}"
    assert "127.0.0.1" in cli.run("convert", tone, tone, "--to", "mp3", expect=UNREACHABLE).err
    del cli.env["MEDIARUN_API_KEY"]
    assert "mediarun login" in cli.run("ls", expect=REFUSED).err


def test_login_and_logout(stack, user, tmp_path):
    cli = Cli(tmp_path, stack.url)
    password = b"Correct-Horse-9\n"
    assert "wrong" in cli.run("login", user.username, data=b"Wrong-Horse-99\n", expect=REFUSED).err.lower()
    assert password.decode().strip() not in cli.run("login", user.username, data=password).err
    path = cli.home / ".config/mediarun/credentials"
    entry = json.loads(path.read_text())[stack.url]
    assert oct(path.stat().st_mode & 0o777) == oct(0o600)
    cli.run("ls")
    cli.run("login", f"{user.username}@example.com", data=password)
    keys = user.get("/api/keys").json()
    assert len(keys) == 1 and keys[0]["name"].startswith("mediarun on "), "the key from before is revoked"
    assert keys[0]["id"] != entry["id"]
    path.chmod(0o644)
    assert "chmod 600" in cli.run("ls", expect=LOCAL).err
    path.chmod(0o600)
    cli.run("logout")
    assert user.get("/api/keys").json() == [] and json.loads(path.read_text()) == {}
    assert cli.run("logout", expect=REFUSED).status == REFUSED

    cli.run("login", user.username, data=password)
    assert user.delete(f"/api/keys/{user.get('/api/keys').json()[0]['id']}").status_code == 200
    assert "bad_api_key" in cli.run("ls", expect=REFUSED).err
    cli.run("logout")


def test_password_without_echo(stack, user, tmp_path):
    cli = Cli(tmp_path, stack.url)
    master, slave = pty.openpty()
    process = subprocess.Popen([BUILD / "mediarun", "login"], cwd=cli.folder, env=cli.env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    for prompt, answer in ((b"address: ", user.username.encode()), (b"Password: ", b"Correct-Horse-9")):
        while not shown.endswith(prompt):
            shown += os.read(master, 1000)
        os.write(master, answer + b"\n")
    assert process.wait(20) == DONE
    try:
        while more := os.read(master, 1000):
            shown += more
    except OSError:
        pass  # Linux' way to say that the terminal has no more users
    os.close(master)
    assert user.username.encode() in shown and b"Horse" not in shown and b"signed in" in shown


@pytest.fixture
def relayed(stack, cli):
    """cli through a relay: relayed(before=…, after=…) returns it."""
    relays = []

    def make(**hooks):
        relays.append(WebRelay(stack.url, **hooks))
        cli.env["MEDIARUN_URL"] = relays[-1].url
        return relays[-1]

    yield make
    for relay in relays:
        relay.__exit__()


FIRST = 256 << 10  # bytes of an upload that storage takes before it refuses all others


def storage_that_stops(stack, path):
    """A hook: when the first upload begins, storage has its first bytes, and takes no more."""
    begun = []

    def after(request, answer):
        if request == "POST /api/uploads" and not begun:
            begun.append(answer.json()["upload_id"])
            url, data = answer.json()["upload_url"], path.read_bytes()
            assert direct_upload.send(url, data[:FIRST], 0, len(data)).status_code == 308
            stack.storage_faults((INSERT, "return-503", 1000))
        return True
    return after


def wait_for_refusals(stack, count=2):
    def refused():
        left = requests.get(f"{stack.emulator.url}/emulator/storage/faults", timeout=10).json()["faults"]
        return left and left[0]["count"] <= 1000 - count
    wait_for(refused, "refused chunks", 20)


def big_tone(cli, media, name="big tone.wav"):
    """More than one chunk of storage's."""
    shutil.copy(media.tone(seconds=10), cli.path(name))
    return cli.path(name)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_upload_goes_on_in_the_next_run(stack, cli, user, media, relayed, how):
    path = big_tone(cli, media)
    relay = relayed(after=storage_that_stops(stack, path))
    process = cli.start("convert", path.name, "--to", "flac")
    wait_for_refusals(stack)
    process.send_signal(how)
    result = finish(process)
    assert result.status == (INTERRUPTED if how == signal.SIGINT else -how)
    assert how == signal.SIGKILL or "the same command sends the rest" in result.err
    state = cli.states()[0]
    stack.storage_faults()
    assert direct_upload.ask(state["upload_url"], path.stat().st_size) == FIRST
    assert cli.run("convert", path.name, "--to", "flac").out == "big tone.flac\n"
    assert samples(cli.path("big tone.flac")) == samples(path)
    assert relay.count("POST /api/uploads") == 1 and len(user.tasks()) == 1 and not cli.states()


def test_upload_goes_on_when_storage_is_back(stack, cli, media, relayed):
    path = big_tone(cli, media)
    relay = relayed(after=storage_that_stops(stack, path))
    process = cli.start("convert", path.name, "--to", "flac")
    wait_for_refusals(stack)
    stack.storage_faults()
    assert finish(process).out == "big tone.flac\n"
    assert samples(cli.path("big tone.flac")) == samples(path) and relay.count("POST /api/uploads") == 1


def test_changed_file_is_sent_from_its_beginning(stack, cli, user, media, relayed):
    path = big_tone(cli, media)
    relay = relayed(after=storage_that_stops(stack, path))
    process = cli.start("convert", path.name, "--to", "flac")
    wait_for_refusals(stack)
    process.kill()
    finish(process)
    stack.storage_faults()
    old = cli.states()[0]["upload_id"]
    shutil.copy(media.tone(seconds=10, frequency=880), path)
    assert "has changed" in cli.run("convert", path.name, "--to", "flac").err
    assert relay.count("POST /api/uploads") == 2 and relay.count(f"DELETE /api/uploads/{old}") == 1
    assert samples(cli.path("big tone.flac")) == samples(path) and user.get("/api/uploads").json() == []


def test_lost_answer_makes_no_second_task(cli, user, media, relayed):
    lost = []

    def lose_first(request, answer):
        if request == CREATE and answer.status_code == 201 and not lost:
            lost.append(answer.json()["task"]["id"])
            return False
        return True

    relay = relayed(after=lose_first)
    number = cli.run("convert", media.tone(seconds=1), "--to", "mp3", "--no-wait").out.strip()
    assert relay.count(CREATE) == 2 and [str(task["id"]) for task in user.tasks()] == [number] == [str(lost[0])]


def test_killed_between_upload_and_task(cli, user, media, relayed):
    shutil.copy(media.tone(seconds=1), cli.path("tone.wav"))
    running = []

    def kill(request):
        if request == CREATE and len(running) == 1:
            running.append(running[0].kill())
            return False
        return True

    relay = relayed(before=kill)
    running.append(cli.start("convert", "tone.wav", "--to", "flac"))
    assert finish(running[0]).status == -signal.SIGKILL and cli.states()[0]["sent"] and user.tasks() == []
    cli.run("convert", "tone.wav", "--to", "flac")
    assert relay.count("POST /api/uploads") == 1 and len(user.tasks()) == 1
    assert samples(cli.path("tone.flac")) == samples(cli.path("tone.wav"))


def test_interrupted_while_the_task_runs(stack, cli, user, media, relayed):
    shutil.copy(media.tone(seconds=1), cli.path("tone.wav"))
    relay = relayed()
    stack.worker.signal(signal.SIGSTOP)
    try:
        process = cli.start("convert", "tone.wav", "--to", "flac")
        wait_for(lambda: any(request.endswith("/events") for request in relay.requests), "a program that knows its task")
        task = user.tasks()[0]
        process.send_signal(signal.SIGTERM)
        result = finish(process)
    finally:
        stack.worker.signal(signal.SIGCONT)
    assert result.status == TERMINATED and f"mediarun get {task['id']} gets the result" in result.err
    cli.run("convert", "tone.wav", "--to", "flac")
    assert len(user.tasks()) == 1 and samples(cli.path("tone.flac")) == samples(cli.path("tone.wav")) and not cli.states()


def test_upload_that_was_used_up(cli, user, media, relayed):
    """A task that was deleted before its result was fetched is made again."""
    shutil.copy(media.tone(seconds=1), cli.path("tone.wav"))
    cli.path("tone.flac").write_bytes(b"in the way")
    relay = relayed()
    assert "output_exists" in cli.run("convert", "tone.wav", "--to", "flac", expect=LOCAL).err
    assert user.delete(f"/api/tasks/{user.tasks()[0]['id']}").status_code == 200
    cli.run("convert", "tone.wav", "--to", "flac", "--force")
    assert relay.count("POST /api/uploads") == 2 and len(user.tasks()) == 1
    assert samples(cli.path("tone.flac")) == samples(cli.path("tone.wav"))


def operator_sh(stack, *words):
    """infra/operator.sh on the stack's database."""
    env = {**os.environ, "PGHOST": stack.postgres.sockets, "PGUSER": "mediarun", "PGDATABASE": stack.database.partition("=")[2]}
    return subprocess.run([ROOT / "infra/operator.sh", *words], env=env, capture_output=True, text=True, check=False)


def test_operators(stack, cli, user, tmp_path):
    """Made and unmade with SQL; admin is for them alone; drain waits until no lease lives."""
    assert "(denied)" in cli.run("admin", "failures", expect=REFUSED).err
    done = operator_sh(stack, "make", user.username.upper())
    assert done.returncode == 0 and done.stdout.endswith(f" {user.username} is an operator\n"), done.stderr
    assert f"{user.username}\n" in operator_sh(stack, "list").stdout
    assert f"({user.username}) is now an operator, by mediarun" in stack.postgres.log_path.read_text()
    for words, text in ((("make", "x'; DROP TABLE users; --"), "does not exist"), (("make",), "usage"), (("list", "all"), "usage")):
        wrong = operator_sh(stack, *words)
        assert wrong.returncode == 1 and text in wrong.stderr, wrong

    task = user.wait(user.upload(b"no media" * 100, "wav", name="broken.mp3"))
    code = task["error"]["code"]
    assert code in cli.run("admin", "failures").out
    assert cli.run("admin", "failed", code, "-n", 1, "--json").documents[0]["id"] == task["id"]
    assert f"{task['id']}  user {task['user_id']}" in cli.run("admin", "failed", code).out
    assert cli.run("admin", "requeue", task["id"], "--json").documents[0]["generation"] == 2
    assert "not_found" in cli.run("admin", "requeue", 999999999, expect=FAILED).err
    user.wait(task, states=("failed",))
    assert "  tasks         0" in cli.run("admin", "usage", user.username).out
    for action in ("stuck", "dead-letters"):
        cli.run("admin", action)
    for words in (("explode",), ("requeue",), ("drain", "now")):
        assert words[0] in cli.run("admin", *words, expect=USAGE).err

    number = stack.sql(f"INSERT INTO tasks (file_id, user_id, kind, status, fence, lease_expires_at, published_at) SELECT gen_random_uuid(), "
                       f"{task['user_id']}, 'probe', 'processing', 1, now() + interval '1 hour', now() RETURNING id")[0][0]
    assert "normal     1 live" in cli.run("admin", "leases").out
    process = cli.start("admin", "drain")
    assert process.stderr.readline() == b"mediarun: 1 leases live\n"
    assert process.poll() is None
    stack.sql(f"DELETE FROM tasks WHERE id = {number}")
    assert finish(process).out.splitlines()[0].startswith("normal     0 live")
    assert operator_sh(stack, "unmake", f"{user.username}@example.com").returncode == 0
    cli.run("admin", "leases", expect=REFUSED)


@pytest.mark.skipif(BUILD != ROOT / "build" / VARIANT, reason="the programs are elsewhere")
def test_installation_and_manual_page(tmp_path):
    made = subprocess.run(["make", "-s", "install", f"VARIANT={VARIANT}", "PREFIX=/usr", f"DESTDIR={tmp_path}"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert subprocess.run([tmp_path / "usr/bin/mediarun", "--version"], capture_output=True, check=True).stdout
    page = tmp_path / "usr/share/man/man1/mediarun.1"
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, check=False,
                           env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
    assert shown.returncode == 0 and not shown.stderr, shown.stderr
    assert all(word in shown.stdout for word in ("EXIT STATUS", "--output", "convert FILE", "MEDIARUN_API_KEY"))
