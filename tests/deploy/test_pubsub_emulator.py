"""The topics and subscriptions that infra/deploy.sh makes, made by the same commands in Google's own Pub/Sub emulator."""

import json
import re
import shlex
import subprocess
import sys

import pytest
import requests

import cloud as programs
from recorder import PROJECT

sys.path.append(str(programs.ROOT / "tests" / "e2e"))
from harness.program import Program  # noqa: E402
from harness.waiting import free_port, wait_for  # noqa: E402


def find_jar():
    """(path, "") or (None, why not)."""
    for tool in ("gcloud", "java"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True, check=False).returncode:
            return None, f"{tool} is not installed"
    root = subprocess.run(["gcloud", "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True,
                          check=False).stdout.strip()
    jars = sorted(programs.pathlib.Path(root).glob("platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar")) if root else []
    return (jars[-1], "") if jars else (None, "the Cloud SDK has no pubsub-emulator component")


def answers(url):
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """gcloud(ARGUMENT…) → its JSON output, with Pub/Sub's API at Google's emulator, of which memory.py knows nothing."""
    jar, reason = find_jar()
    if not jar:
        pytest.skip(f"Google's Pub/Sub emulator: {reason}")
    port = free_port()
    program = Program("google-pubsub", ["java", "-jar", jar, "--host=127.0.0.1", f"--port={port}"], {},
                      tmp_path_factory.mktemp("pubsub") / "pubsub.log", "Server started")
    program.start()
    settings = {name: value for name, value in programs.environment(0, tmp_path_factory.mktemp("gcloud-pubsub")).items()
                if not name.startswith("CLOUDSDK_PROXY") and name not in ("http_proxy", "GCLOUD_MEMORY")}
    settings["CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB"] = f"http://127.0.0.1:{port}/"

    def gcloud(*arguments):
        run = subprocess.run(["gcloud", *arguments, "--format=json"], env=settings, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout or "null")

    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), "an answer of Google's emulator", 30)
        yield gcloud
    finally:
        program.kill()


def test_the_commands_make_the_same_there(world, emulator):
    shown = [shlex.split(line)[2:] for run in (world.broken, world.late, world.first) for line in run.stderr.splitlines()
             if re.match(r"\+ gcloud \S+ pubsub (topics|subscriptions) create", line)]
    shown = [words for words in shown if "cloud-builds" not in words]  # Cloud Build's
    assert len(shown) == 5  # the topics at once, and four subscriptions
    for arguments in shown:
        emulator(*arguments)
    made = {subscription["name"]: subscription for subscription in emulator(f"--project={PROJECT}", "pubsub", "subscriptions", "list")}
    wanted = {value["name"]: value for value in world.cloud.paths(r"/subscriptions/[^/]+$").values()}
    assert set(made) == set(wanted)
    for name, subscription in wanted.items():
        same = ("topic", "ackDeadlineSeconds", "retryPolicy", "deadLetterPolicy", "messageRetentionDuration", "expirationPolicy", "labels")
        assert {key: made[name].get(key) for key in same} == {key: subscription.get(key) for key in same}
        assert made[name]["pushConfig"]["pushEndpoint"] == subscription["pushConfig"]["pushEndpoint"]
        assert made[name]["pushConfig"]["oidcToken"] == subscription["pushConfig"]["oidcToken"]
