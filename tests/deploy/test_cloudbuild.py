"""cloudbuild.yaml against the API's classes and its own scripts; infra/rollout.sh with the real gcloud against the recorder."""

import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

import cloud
import messages
import recorder
from conftest import clone

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text("utf-8"))
STEPS = {step["id"]: step for step in BUILD["steps"]}
BUILT_IN = {"PROJECT_ID", "BUILD_ID", "COMMIT_SHA"}
WEB, WORKER = (f"europe-west1-docker.pkg.dev/p/mediarun/mediarun-{name}@sha256:{digit * 64}" for name, digit in (("web", "a"), ("worker", "b")))


@pytest.mark.skipif(not messages.sdk_library(), reason="gcloud's message classes are not installed")
def test_message_classes():
    assert messages.faults(messages.message_class("cloudbuild", "v1", "Build"), BUILD) == []
    wrong = {**BUILD, "steps": [{**BUILD["steps"][0], "scrpt": "true"}]}
    assert messages.faults(messages.message_class("cloudbuild", "v1", "Build"), wrong) != []


def test_substitutions():
    """Each is used, each that is used has a default, and infra/deploy.sh knows no others."""
    used = set(re.findall(r"\$(_?[A-Z_]+)", " ".join(BUILD["options"]["env"])))
    assert used - BUILT_IN == set(BUILD["substitutions"])
    handed = set(re.findall(r"\b(_[A-Z]+)=%s", (ROOT / "infra/deploy/images.sh").read_text("utf-8")))
    assert handed and handed <= set(BUILD["substitutions"])


def test_order():
    """Nothing is deployed that was not tested, and nothing becomes `latest` that was not deployed."""
    assert list(STEPS) == ["toolchain", "test", "images", "rollout", "latest"]
    assert not any("waitFor" in step for step in BUILD["steps"])


@pytest.mark.parametrize("step", list(STEPS))
def test_scripts(step, tmp_path):
    script = tmp_path / "step.sh"
    given = " ".join(f"{name}=x" for name in names_of_environment())
    script.write_text(STEPS[step]["script"].replace("#!/usr/bin/env bash\n", f"#!/usr/bin/env bash\nexport {given}\n"), "utf-8")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"\$\{?([A-Z_]+)", STEPS[step]["script"])) <= set(names_of_environment())


def names_of_environment():
    return [entry.partition("=")[0] for entry in BUILD["options"]["env"]]


def test_paths_and_stages():
    text = (ROOT / "cloudbuild.yaml").read_text("utf-8")
    for path in re.findall(r"infra/[\w./-]+\.sh", text):
        assert (ROOT / path).exists(), path
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile.worker").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"--target (\w+)", text)) <= set(stages)


def test_both_dockerfiles_begin_alike():
    """So that a cache holds what they share once."""
    stage = re.compile(r"^FROM \S+ AS toolchain\n.*?(?=^FROM)", re.MULTILINE | re.DOTALL)
    first, second = (stage.search((ROOT / f"Dockerfile.{name}").read_text("utf-8")).group().split("\n\n")[0] for name in ("web", "worker"))
    assert first == second


def rollout(google, directory, **settings):
    env = {**cloud.environment(google.port, directory), "PROJECT_ID": recorder.PROJECT, "REGION": recorder.REGION,
           "PATIENCE_SECONDS": "2", **settings}
    return subprocess.run([ROOT / "infra/rollout.sh", WEB, WORKER], env=env, text=True, capture_output=True, check=False, timeout=300)


@pytest.fixture
def running(world):
    """A project that was deployed to."""
    made = clone(world.cloud)
    yield made
    made.close()


def state(google, name):
    """(image of the newest revision, revision that has the traffic, whether that is the newest, tags)"""
    found = google.store[next(path for path in google.store if path.endswith(f"/services/mediarun-{name}") and "/namespaces/" in path)]
    serving = next(target for target in found["status"]["traffic"] if target.get("percent") == 100)
    return (found["spec"]["template"]["spec"]["containers"][0]["image"], serving["revisionName"],
            serving["revisionName"] == found["status"]["latestCreatedRevisionName"],
            [target["tag"] for target in found["status"]["traffic"] if "tag" in target])


def env_of(google, name):
    found = google.store[next(path for path in google.store if path.endswith(f"/services/mediarun-{name}") and "/namespaces/" in path)]
    return found["spec"]["template"]["spec"]["containers"][0]["env"]


def test_rollout(running, gcloud):
    before = {name: (state(running, name), env_of(running, name)) for name in ("web", "worker")}
    done = rollout(running, gcloud)
    assert done.returncode == 0, done.stderr
    for name, image in (("web", WEB), ("worker", WORKER)):
        (_, former, _, _), env = before[name]
        now = state(running, name)
        assert now == (image, now[1], True, []) and now[1] != former
        assert env_of(running, name) == env, "the settings are infra/deploy.sh's"
    said = [line[4:] for line in done.stderr.splitlines() if line.startswith("ok: ")]
    assert said == ["the new web revision reaches its database", "a message passes through the new worker",
                    "the new web revision has the traffic", "a message passes through the whole loop"]


@pytest.mark.parametrize("broken, words", [
    ("candidate---mediarun-web", "the new web revision reaches its database"),
    ("converter-health", "a message passes through the new worker"),
])
def test_back(running, gcloud, tmp_path, broken, words):
    """What does not answer is not left with the traffic: neither of the two."""
    tools = tmp_path / "bin"
    tools.mkdir()
    curl = tools / "curl"
    curl.write_text(f'#!/bin/sh\ncase "$*" in *{broken}*) echo 503 ;; *) exec {shutil.which("curl")} "$@" ;; esac\n', "ascii")
    curl.chmod(0o755)
    before = {name: state(running, name)[1] for name in ("web", "worker")}
    done = rollout(running, gcloud, PATH=f"{tools}:{cloud.environment(running.port, gcloud)['PATH']}")
    assert done.returncode == 1 and words in done.stderr, done.stderr
    for name, revision in before.items():
        assert state(running, name)[1] == revision


def test_a_revision_that_does_not_start(running, gcloud):
    running.fail("PUT", r"/services/mediarun-worker$", 400)
    before = {name: state(running, name)[1] for name in ("web", "worker")}
    done = rollout(running, gcloud)
    assert done.returncode != 0
    assert {name: state(running, name)[1] for name in ("web", "worker")} == before


def test_nothing_deployed_yet(gcloud):
    empty = recorder.Recorder()
    try:
        done = rollout(empty, gcloud)
        assert done.returncode != 0 and not empty.store.get("/services/")
    finally:
        empty.close()
