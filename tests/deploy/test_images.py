"""
The two images, as tests/deploy/images.sh has built them: what is in them, and a conversion through their containers under
Cloud Run's contract: PORT, a read-only disk but for /tmp in memory, no root, no capability, the database by a socket below
/cloudsql, SIGTERM.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "e2e"))
from harness import measure, video_output  # noqa: E402
from harness.media import Media  # noqa: E402
from harness.postgres import Postgres  # noqa: E402
from harness.program import Program  # noqa: E402
from harness.stack import LISTENING, Stack  # noqa: E402
from harness.waiting import wait_for  # noqa: E402

STORE = os.environ.get("IMAGE_STORE", "").split()
pytestmark = pytest.mark.skipif(not STORE, reason="run by tests/deploy/images.sh, which builds the images")

NAMES = ("web", "worker")
USER = 10001
COMPRESSED_MIB = {"web": 60, "worker": 150}
SECONDS_TO_END = 10  # between Cloud Run's SIGTERM and its SIGKILL


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def buildah(*words):
    return run("buildah", *STORE, *words)


@pytest.fixture(scope="module", params=NAMES)
def image(request):
    """(name, root directory) of an image."""
    container = buildah("from", "--pull-never", f"mediarun-{request.param}:test")
    try:
        yield request.param, pathlib.Path(buildah("mount", container))
    finally:
        buildah("rm", container)


def files_of(tree):
    for directory, _, names in os.walk(tree):
        for name in names:
            yield pathlib.Path(directory, name)


def test_settings(image):
    name, _ = image
    config = json.loads(buildah("inspect", "--type", "image", f"mediarun-{name}:test"))["Docker"]["config"]
    assert config["User"] == f"{USER}:{USER}" and config["Entrypoint"] == [f"/usr/local/bin/mediarun-{name}"]
    assert config["StopSignal"] == "SIGTERM" and "8080/tcp" in config["ExposedPorts"] and "PORT=8080" in config["Env"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == f"mediarun-{name}"
    assert labels["org.opencontainers.image.version"] == (ROOT / "VERSION").read_text("utf-8").strip() and labels["org.opencontainers.image.revision"] == "0000000"


def test_contents(image):
    name, tree = image
    names = {path.name for path in files_of(tree)}
    assert f"mediarun-{name}" in names and "ca-certificates.crt" in names
    for tool in ("gcc", "cc", "as", "ld", "make", "pkg-config", "curl", "wget"):
        assert tool not in names, f"{tool} has no business in an image"
    assert not {n for n in names if n.endswith((".deb", ".c", ".o", ".a"))}
    for place in ("var/lib/apt/lists", "var/cache/apt", "var/log", "src", "out"):
        left = [path for path in files_of(tree / place) if path.name not in ("lock", ".keep")]
        assert not left, left
    if name == "web":
        assert not {n for n in names if n.startswith(("libav", "libsw", "libx264", "libvpx"))}


def test_bill_of_materials(image):
    """Each package of the image with its version, and in the worker FFmpeg's source, which no scanner of packages sees."""
    name, tree = image
    document = json.loads((tree / f"usr/local/share/sbom/mediarun-{name}.spdx.json").read_text("utf-8"))
    listed = run("dpkg-query", f"--admindir={tree}/var/lib/dpkg", "-W", "-f=${Package}\\t${Version}\\n").splitlines()
    found = [f"{package['name']}\t{package['versionInfo']}" for package in document["packages"] if package["SPDXID"].startswith("SPDXRef-deb-")]
    assert sorted(found) == sorted(listed) and any(line.startswith("libssl3\t") for line in found)
    linked = [package for package in document["packages"] if package["SPDXID"].startswith("SPDXRef-linked-")]
    assert [package["name"] for package in linked] == ([] if name == "web" else ["ffmpeg"])
    assert all(re.fullmatch(r"7:5\.1\.\d+-0\+deb12u\d+", package["versionInfo"]) for package in linked)


def test_nobody_becomes_root(image):
    """The program is root's, and nothing that this project adds is anybody's to write or runs as somebody else."""
    name, tree = image
    program = tree / f"usr/local/bin/mediarun-{name}"
    assert program.stat().st_uid == 0 and program.stat().st_mode & 0o7777 == 0o755
    for path in files_of(tree):
        assert not path.is_file() or path.is_symlink() or not path.stat().st_mode & 0o002, path


def test_size(image, tmp_path):
    name, _ = image
    buildah("push", "-q", f"mediarun-{name}:test", f"oci:{tmp_path / name}:test")
    mib = sum(blob.stat().st_size for blob in (tmp_path / name / "blobs/sha256").iterdir()) / 2**20
    print(f"size  mediarun-{name}: {mib:.1f} MiB compressed", flush=True)
    shutil.rmtree(tmp_path / name)
    assert mib <= COMPRESSED_MIB[name]


class Container(Program):
    """An image as Cloud Run runs it, but for the network, which is this machine's."""

    def __init__(self, name, env, log_path, mounts=()):
        self.container = f"mediarun-test-{os.getpid()}-{name}"
        self.podman = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *STORE]
        argv = [
            *self.podman, "run", "--rm", "--pull", "never", "--name", self.container, "--network", "host", "--no-healthcheck",
            "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,mode=1777,size=512m", "--cap-drop", "all",
            "--security-opt", "no-new-privileges", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096",
            *(f"--mount=type=bind,source={source},target={target}" for source, target in mounts),
            *(f"--env={key}" for key in env), f"mediarun-{name}:test"]
        super().__init__(name, argv, env, log_path, LISTENING)

    @property
    def init(self):
        """Its first process, as this machine counts."""
        return int(run(*self.podman, "inspect", "--format", "{{.State.Pid}}", self.container))

    def processes(self):
        """{pid: (state, real user)} of all its processes."""
        found, space = {}, os.readlink(f"/proc/{self.init}/ns/pid")
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == space:
                    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{entry}/status").read_text().splitlines())
                    found[int(entry)] = status["State"].split()[0], int(status["Uid"].split()[0])
            except OSError:
                pass
        return found

    def remove(self):
        subprocess.run([*self.podman, "rm", "--force", "--ignore", self.container], capture_output=True, check=False)


class ContainerStack(Stack):
    """A stack whose web and worker are containers. Their database is a socket where Cloud Run puts it."""

    socket = "/cloudsql/project:region:mediarun"

    def _container(self, name, port, env):
        database = f"host={self.socket} user=mediarun {self.database}"
        return Container(name, {**self.common, "PORT": port, "DATABASE_URL": database, **env}, self.directory / f"{name}.log",
                         [(self.postgres.sockets, self.socket)])

    def _make_web(self, settings):
        return self._container("web", self.web_port, {"PUSH_AUDIENCE": self.url, "JWT_SECRET": self.jwt_secret, **settings})

    def _make_worker(self, number, port, settings):
        return self._container("worker", port, {"PUSH_AUDIENCE": self.worker_url, "SLOTS": 2, **settings})


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    directory = tmp_path_factory.mktemp("containers")
    postgres = Postgres(directory)
    try:
        postgres.start()
        os.chmod(postgres.sockets, 0o755)  # as /cloudsql is; the server trusts whoever reaches it
        stack = ContainerStack(directory, postgres)
        try:
            yield stack.start()
        finally:
            for program in (stack.web, stack.worker):
                program.remove()
            stack.stop()
    finally:
        postgres.end()


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    return Media(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def user(stack):
    return stack.client()


def test_who_runs(stack):
    for program in (stack.web, stack.worker):
        assert {uid for _, uid in program.processes().values()} == {USER}
        status = pathlib.Path(f"/proc/{program.init}/status").read_text()
        assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status


# From every kind of decoder to every encoder, whichever build of FFmpeg's libraries is in the image.
@pytest.mark.parametrize("source, target", [
    ("mp3", "wav"), ("aac", "mp3"), ("m4a", "ogg"), ("ogg", "opus"), ("opus", "flac"), ("wav", "m4a"), ("flac", "wma"), ("wma", "aac")])
def test_sound(user, media, tmp_path, source, target):
    result = tmp_path / f"result.{target}"
    task, _ = user.convert(media.tone(source), target, result, seconds=60)
    assert measure.frequency(measure.middle(measure.samples(result))) == pytest.approx(440, rel=0.01)
    assert task["receipt"]


@pytest.mark.parametrize("target, codec", [
    ("mp4", "h264"), ("mov", "h264"), ("mkv", "h264"), ("webm", "vp9"), ("avi", "mpeg4"), ("gif", "gif")])
def test_video(user, media, tmp_path, target, codec):
    options = json.dumps({"resize": {"width": 160, "height": 120}, "trim": {"start": 0, "duration": 1}})
    result = tmp_path / f"result.{target}"
    task = user.finish(user.upload(media.video(2, "320x240"), target, options=options), 120)
    user.download(task, result)
    stream = video_output.video_stream(measure.probe(result))
    assert (stream["codec_name"], stream["width"], stream["height"]) == (codec, 160, 120)


def test_the_preset_fpv(user, media, tmp_path):
    result = tmp_path / "result.mp4"
    answer = user.post("/api/tasks", data={"preset": "fpv"}, files={"fileName": ("video.mp4", media.video(3, "320x240").read_bytes())})
    assert answer.status_code == 201, answer.text
    task = user.finish(answer.json()["task"], 180)
    user.download(task, result)
    info = measure.probe(result)
    assert (video_output.video_stream(info)["width"], video_output.video_stream(info)["height"]) == (640, 360)
    assert float(info["format"]["duration"]) == pytest.approx(3 + 2, abs=0.3), "a second of logo before and after"


def test_hostile_input_fails_its_own_task(user):
    task = user.wait(user.upload(b"RIFF\xff\xff\xff\xffWAVE" + os.urandom(50_000), "mp3", "broken.wav"))
    assert task["status"] == "failed" and task["error"]["code"]


def test_children_are_reaped(stack):
    """Nobody but the program itself does it: it is the container's first process."""
    wait_for(lambda: not [pid for pid, (state, _) in stack.worker.processes().items() if state == "Z"], "a worker without zombies", 5)
    assert stack.worker.processes()


def test_health(stack):
    assert requests.get(f"{stack.url}/converter-health?wait=1", timeout=20).status_code == 200


def test_sigterm_in_the_middle_of_work(stack, user, media):
    """Both end by themselves in the time that Cloud Run leaves; what was under way waits for another worker."""
    task = user.upload(media.noise(600), "opus")
    wait_for(lambda: user.task(task["id"])["status"] == "processing", "begin of the task", 20)
    for program in (stack.worker, stack.web):
        begin = time.monotonic()
        os.kill(program.init, signal.SIGTERM)
        assert program.wait(SECONDS_TO_END) == 0, program.log()[-2000:]
        print(f"end   {program.container}: {time.monotonic() - begin:.1f} s after SIGTERM", flush=True)
    assert stack.sql(f"SELECT status FROM tasks WHERE id = {task['id']}") == [["uploaded"]]
