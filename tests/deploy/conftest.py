"""What the tests of infra/deploy.sh share: one project, set up once, and copies of it to spoil."""

import os
import shutil
import types

import pytest

pytest.register_assert_rewrite("resources")

import cloud
import interrupted
import memory
import recorder
import warm_gcloud
from recorder import clone

# Its own script runs it: tests/deploy/images.sh, which makes the images first.
collect_ignore = [] if os.environ.get("IMAGE_STORE") else ["test_images.py"]
OPTIONS = ("--email", "ops@example.com", "--repo", "someone/mediarun", "--db-tier=db-custom-2-7680", "--db-availability=regional",
           "--max-connections=400", "--bucket=demo-files", "--public-url=https://convert.example.com")


@pytest.fixture(scope="session", autouse=True)
def warm(tmp_path_factory):
    """Every gcloud of cloud.environment() starts warm."""
    if cloud.missing():
        yield
        return
    directory = tmp_path_factory.mktemp("warm")
    server = warm_gcloud.WarmGcloud(directory, cloud.environment(0, directory / "configuration"))
    cloud.PATH = f"{directory}:{cloud.PATH}"
    remembered = memory.Memory()
    cloud.MEMORY = {"GCLOUD_MEMORY": str(remembered.port)}
    yield
    remembered.close()
    server.stop()


@pytest.fixture(scope="session")
def gcloud(tmp_path_factory):
    """gcloud's own directory, one for all runs."""
    if cloud.missing():
        pytest.skip(f"infra/deploy.sh with the real gcloud: {cloud.missing()}")
    return tmp_path_factory.mktemp("gcloud")


@pytest.fixture(scope="session")
def world(gcloud):
    """
    An empty project, deployed to. A run is killed after six changes; broken, where Cloud SQL fails in the middle, goes on from
    there, and so do another that is killed late, and first, which ends. second is without options, and has nothing to do. `at` is
    how many requests there had been before each.
    """
    made = interrupted.killed(recorder.Recorder(), gcloud, 6, *OPTIONS)
    made.fail("POST", r"/instances/mediarun/users$", 500)
    runs = types.SimpleNamespace(at={})
    for name, options in (("broken", OPTIONS), ("late", OPTIONS), ("first", OPTIONS), ("second", ())):
        runs.at[name] = len(made.requests)
        if name == "late":
            made = interrupted.killed(made, gcloud, 21, *OPTIONS)
            runs.late = types.SimpleNamespace(stderr=made.said, stdout="")
        else:
            setattr(runs, name, cloud.deploy(made, gcloud, *options))
        made.failures.clear()
    runs.cloud = made
    yield runs
    made.close()


@pytest.fixture
def spoiled(world):
    """Makes a copy of the deployed project without what lies below the given paths."""
    made = []

    def make(pattern=r"^$"):
        copied = clone(world.cloud)
        for path in copied.paths_of(pattern):
            del copied.store[path]
        made.append(copied)
        return copied

    yield make
    for copied in made:
        copied.close()


@pytest.fixture
def empty():
    made = recorder.Recorder()
    yield made
    made.close()


@pytest.fixture
def tree(tmp_path):
    """A copy of infra/ to change."""
    shutil.copytree(cloud.ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("emulator"))
    return tmp_path
