"""cloudbuild.yaml and cloudbuild-rollout.yaml against the API's classes and their own scripts; infra/rollout.sh with the real gcloud against the recorder."""

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
FILES = ("cloudbuild.yaml", "cloudbuild-rollout.yaml")
BUILDS = {name: yaml.safe_load((ROOT / name).read_text("utf-8")) for name in FILES}
BUILD = BUILDS["cloudbuild.yaml"]
STEPS = {(name, step["id"]): step for name, build in BUILDS.items() for step in build["steps"]}
BUILT_IN = {"PROJECT_ID", "BUILD_ID", "COMMIT_SHA"}
WEB, WORKER = (f"europe-west1-docker.pkg.dev/p/mediarun/mediarun-{name}@sha256:{digit * 64}" for name, digit in (("web", "a"), ("worker", "b")))


@pytest.mark.skipif(not messages.sdk_library(), reason="gcloud's message classes are not installed")
def test_message_classes():
    for build in BUILDS.values():
        assert messages.faults(messages.message_class("cloudbuild", "v1", "Build"), build) == []
    wrong = {**BUILD, "steps": [{**BUILD["steps"][0], "scrpt": "true"}]}
    assert messages.faults(messages.message_class("cloudbuild", "v1", "Build"), wrong) != []


@pytest.mark.parametrize("name", FILES)
def test_substitutions(name):
    """Each is used, and each that is used has a default; the region's is that of infra/deploy.sh."""
    build = BUILDS[name]
    used = set(re.findall(r"\$(_?[A-Z_]+)", " ".join([*build["options"]["env"], *build.get("images", []), *(step["name"] for step in build["steps"])])))
    assert used - BUILT_IN == set(build["substitutions"])
    default = re.search(r"DEFAULTS=\(\[REGION\]=([\w-]+)", (ROOT / "infra/deploy.sh").read_text("utf-8"))[1]
    assert build["substitutions"]["_REGION"] == default


def handed(function, **variables):
    """What infra/deploy/images.sh passes to a build."""
    script = """set -euo pipefail; REGION=r REPOSITORY=mediarun BUILD_BUCKET=b; . "$0"; "$@" """
    done = subprocess.run(["bash", "-c", script, ROOT / "infra/deploy/images.sh", *function.split()], text=True, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", **variables}, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return dict(pair.split("=", 1) for pair in done.stdout.split(","))


def test_what_deploy_sh_hands_on():
    """Nothing that the builds do not know; a base, a snapshot and builders that were asked for."""
    base = "docker.io/library/debian@sha256:" + "0" * 64
    assert handed("build_substitutions _CACHE=false") == {"_REGION": "r", "_REPOSITORY": "mediarun", "_CACHE": "false"}
    chosen = handed("build_substitutions", BASE=base, SNAPSHOT="20260101T000000Z")
    assert chosen == {"_REGION": "r", "_REPOSITORY": "mediarun", "_BASE": base, "_SNAPSHOT": "20260101T000000Z"}
    assert set(chosen) <= set(BUILD["substitutions"])
    builders = {"DOCKER_BUILDER": "gcr.io/cloud-builders/docker@sha256:" + "1" * 64, "GCLOUD_BUILDER": "gcr.io/gcloud@sha256:" + "2" * 64}
    assert handed("build_substitutions", **builders)["_DOCKER"] == builders["DOCKER_BUILDER"]
    chosen = handed("rollout_substitutions _TAG=built", **builders)
    assert (chosen["_DOCKER"], chosen["_GCLOUD"]) == tuple(builders.values()) and set(chosen) <= set(BUILDS["cloudbuild-rollout.yaml"]["substitutions"])
    rollout = handed("rollout_substitutions _TAG=built _DEPLOY=false")
    assert rollout["_SBOMS"] == "gs://b/sbom" and set(rollout) <= set(BUILDS["cloudbuild-rollout.yaml"]["substitutions"])


def test_order():
    """Nothing is pushed that was not tested, and it is Cloud Build that pushes it: only then it says where an image comes from."""
    assert [step["id"] for step in BUILD["steps"]] == ["base", "toolchain", "test", "images"]
    assert [step["id"] for step in BUILDS["cloudbuild-rollout.yaml"]["steps"]] == ["images", "sbom", "rollout"]
    assert not any("waitFor" in step for step in STEPS.values())
    registry = "$_REGION-docker.pkg.dev/$PROJECT_ID/$_REPOSITORY"
    assert BUILD["images"] == [f"{registry}/mediarun-{name}:{tag}" for name in ("web", "worker") for tag in ("$BUILD_ID", "built")]
    assert BUILD["options"]["requestedVerifyOption"] == "VERIFIED"
    pushed = re.findall(r"docker push --quiet (\S+)", "".join(step["script"] for step in STEPS.values()))
    assert pushed == ['"$cache"'], "the toolchain, which is never deployed"


def test_every_stage_has_the_base_that_was_resolved():
    """By digest, once for a build."""
    text = (ROOT / "cloudbuild.yaml").read_text("utf-8")
    assert text.count("docker build ") == text.count('--build-arg "BASE=$(cat /workspace/base)"') == 3
    assert text.count('--build-arg "SNAPSHOT=$SNAPSHOT"') == 3 and "@sha256:" in STEPS["cloudbuild.yaml", "base"]["script"]


@pytest.mark.parametrize("name, step", list(STEPS))
def test_scripts(name, step, tmp_path):
    script = tmp_path / "step.sh"
    names = [entry.partition("=")[0] for entry in BUILDS[name]["options"]["env"]]
    given = " ".join(f"{variable}=x" for variable in names)
    text = STEPS[name, step]["script"]
    script.write_text(text.replace("#!/usr/bin/env bash\n", f"#!/usr/bin/env bash\nexport {given}\n"), "utf-8")
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"\$\{?([A-Z_]+)", text)) <= set(names)


def test_paths_and_stages():
    text = "".join((ROOT / name).read_text("utf-8") for name in FILES)
    for path in re.findall(r"infra/[\w./-]+\.sh", text):
        assert (ROOT / path).exists(), path
    for name in ("web", "worker"):
        dockerfile = (ROOT / f"Dockerfile.{name}").read_text("utf-8")
        stages = re.findall(r"^FROM \S+ AS (\w+)$", dockerfile, re.MULTILINE)
        assert name == "web" or set(re.findall(r"--target (\w+)", text)) <= set(stages)
        document = f"/usr/local/share/sbom/mediarun-{name}.spdx.json"
        assert {"runtime", "sbom"} <= set(stages) and dockerfile.count(document) == 1
    assert "/usr/local/share/sbom/mediarun-$program.spdx.json" in text


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


def test_rollout_behind_a_load_balancer(running, gcloud, tmp_path):
    """Web is asked at its domain alone: its own URLs are closed to a build."""
    web = running.store[next(path for path in running.store if path.endswith("/services/mediarun-web") and "/namespaces/" in path)]
    web["metadata"]["annotations"]["run.googleapis.com/ingress"] = "internal-and-cloud-load-balancing"
    (tmp_path / "curl").write_text('#!/bin/sh\ncase "$*" in *https://convert.example.com/*) echo 200 ;; *) echo 404 ;; esac\n', "ascii")
    (tmp_path / "curl").chmod(0o755)
    done = rollout(running, gcloud, PATH=f"{tmp_path}:{cloud.environment(running.port, gcloud)['PATH']}")
    assert done.returncode == 0, done.stderr
    assert state(running, "web")[0] == WEB and state(running, "web")[2] and state(running, "worker")[0] == WORKER


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
