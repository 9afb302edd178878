"""Programs that tests/run.sh keeps warm (tests/warm) do what they do when they are started: shown with a shell."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from harness.paths import ROOT
from harness.waiting import wait_for


@pytest.fixture(name="warm_shell")
def start_shell(tmp_path):
    """A directory whose `dash` is warm."""
    subprocess.run(["make", "-s", "warm"], cwd=ROOT, check=True)
    shutil.copy(ROOT / "build" / "warm" / "client", tmp_path / "dash")
    settings = {**os.environ, "WARM_SOCKET": str(tmp_path / "dash.socket"), "LD_PRELOAD": str(ROOT / "build" / "warm" / "server.so")}
    with subprocess.Popen(["dash"], env=settings, stdin=subprocess.DEVNULL) as server:
        wait_for((tmp_path / "dash.socket").exists, "the socket", 10)
        yield tmp_path / "dash", server
        server.kill()


def run(program, script, *arguments, **options):
    return subprocess.run([program, "-c", script, *arguments], capture_output=True, text=True, check=False, timeout=20, **options)


def test_a_call_is_like_a_start(warm_shell, tmp_path):
    shell, server = warm_shell
    script = 'echo "$0 $1 $SETTING $LD_PRELOAD$WARM_SOCKET $PPID"; pwd; cat; umask; echo fault >&2; exit 3'
    done = run(shell, script, "name", "two words", input="from input\n", cwd=tmp_path, umask=0o27,
               env={"SETTING": "set", "PATH": os.environ["PATH"]})
    assert done.returncode == 3
    assert done.stdout.splitlines() == [f"name two words set  {server.pid}", str(tmp_path), "from input", "0027"]
    assert done.stderr == "fault\n"


def test_a_signal_ends_the_client_too(warm_shell):
    assert run(warm_shell[0], "kill -USR1 $$").returncode == -signal.SIGUSR1


def test_a_killed_client_ends_its_call(warm_shell):
    with subprocess.Popen([warm_shell[0], "-c", "echo $$; exec sleep 600"], stdout=subprocess.PIPE, text=True) as client:
        call = pathlib.Path("/proc") / client.stdout.readline().strip()
        assert call.exists()
        client.kill()
        wait_for(lambda: not call.exists(), "the end of the call", 10)


def test_many_calls_at_once(warm_shell):
    clients = [subprocess.Popen([warm_shell[0], "-c", f"sleep 0.5; exit {i}"]) for i in range(100)]  # more than the server takes
    assert [client.wait(30) for client in clients] == list(range(100))


def test_without_a_server_the_program_starts(warm_shell):
    shell, server = warm_shell
    server.kill()
    server.wait()
    done = run(shell, "echo $PPID; exit 4")
    assert (done.returncode, done.stdout.strip()) == (4, str(os.getpid()))
