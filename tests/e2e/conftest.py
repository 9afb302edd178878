"""Fixtures of the end-to-end tests. VARIANT=asan|tsan|… chooses the build that is tested."""

import pytest

pytest.register_assert_rewrite("harness")  # judges there say what they saw

from harness.media import Media
from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack, emulator_program


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("mediarun")


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    return Media(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def postgres(workdir):
    server = Postgres(workdir)
    try:
        yield server.start()
    finally:
        server.end()


@pytest.fixture(scope="session")
def shared_stack(workdir, postgres):
    assert (BUILD / "mediarun-web").exists(), f"{BUILD} is not built"
    directory = workdir / "shared"
    directory.mkdir()
    stack = Stack(directory, postgres)
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture
def stack(shared_stack):
    """The stack that most tests share. Whatever a test does to it: no program may die of it."""
    before = [program.pid for program in shared_stack.programs]
    yield shared_stack
    for program in shared_stack.programs:
        assert program.alive(), f"{program.name} died:\n{program.log()[-4000:]}"
    assert [program.pid for program in shared_stack.programs] == before


@pytest.fixture
def user(stack):
    return stack.client()


@pytest.fixture
def make_stack(tmp_path, postgres):
    """Stacks of a test's own, to be mistreated: make_stack(workers=2, worker_settings={…})."""
    made = []

    def make(start=True, **kwargs):
        directory = tmp_path / f"stack{len(made)}"
        directory.mkdir()
        made.append(Stack(directory, postgres, **kwargs))
        return made[-1].start() if start else made[-1]

    yield make
    for stack in made:
        stack.stop()


@pytest.fixture(scope="session")
def emulator(workdir):
    """An emulator alone, with .url, .port and .data."""
    directory = workdir / "emulator-alone"
    directory.mkdir()
    program = emulator_program(directory)
    try:
        yield program.start()
    finally:
        program.stop()
