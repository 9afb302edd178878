"""
Fixtures of the end-to-end tests. What they need: `make programs`, and the Debian packages of infra/local/lib/packages.sh.

    pytest tests/e2e -n 4                                 all tests, in four processes ("workers") at once
    pytest tests/e2e/test_tasks.py -k put                 some tests, in this process
    VARIANT=asan pytest tests/e2e -n 4 -m sanitized       those that also run on the asan and tsan builds

Each worker has its own PostgreSQL and its own shared stack, started when a test first needs them. Media files are made once
for all workers. pytest-xdist gives each test to the next free worker, except that the tests of an xdist_group all run in one:
they share a stack, or need each other's order. Tests marked `slow` start first, so that none is left alone at the end.
SHUFFLE=SEED puts the others, and the slow ones among themselves, in another order.

All files of a run are in one directory of /tmp. It is removed if all tests pass; otherwise the last lines name it.
"""

import os
import random
import shutil
import tempfile

import pytest

pytest.register_assert_rewrite("harness")  # its assertions say what they compared

from harness.media import Media
from harness.paths import BUILD
from harness.postgres import Postgres
from harness.stack import Stack, emulator_program

RUN_DIRECTORY = pytest.StashKey()


def is_worker(config):
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    if config.getoption("dist", "no") == "load":
        config.option.dist = "loadgroup"
    if not is_worker(config) and not config.option.basetemp and not config.option.collectonly:
        config.stash[RUN_DIRECTORY] = config.option.basetemp = tempfile.mkdtemp(prefix="mediarun-e2e.")


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    directory = config.stash.get(RUN_DIRECTORY, None)
    if directory and exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        terminalreporter.write_line(f"logs and files of this run: {directory}")
        del config.stash[RUN_DIRECTORY]


def pytest_unconfigure(config):
    directory = config.stash.get(RUN_DIRECTORY, None)
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


def pytest_collection_modifyitems(items):
    seed = os.environ.get("SHUFFLE")
    if seed:  # the order within a group is part of the test
        groups = {}
        for item in items:
            group = item.get_closest_marker("xdist_group")
            groups.setdefault(group.args or group.kwargs["name"] if group else item.nodeid, []).append(item)
        shuffled = list(groups.values())
        random.Random(seed).shuffle(shuffled)
        items[:] = [item for group in shuffled for item in group]
    order = ("slow", "xdist_group")
    items.sort(key=lambda item: next((i for i, mark in enumerate(order) if item.get_closest_marker(mark)), len(order)))


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory, request):
    """A directory that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if is_worker(request.config) else own


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("mediarun")


@pytest.fixture(scope="session")
def media(run_directory):
    return Media(run_directory / "media")


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
    """The stack that most tests share. Whatever a test does to it, no program may die."""
    before = [program.pid for program in shared_stack.programs]
    yield shared_stack
    for program in shared_stack.programs:
        assert program.alive(), f"{program.name} died:\n{program.log()[-4000:]}"
    assert [program.pid for program in shared_stack.programs] == before


@pytest.fixture
def user(stack):
    return stack.client()


@pytest.fixture(scope="module")
def same_user(shared_stack):
    """One user for the tests of a file, where each would hash a password of its own for nothing."""
    return shared_stack.client()


def pytest_addoption(parser):
    parser.addoption("--screenshots", action="store_true", help="keep pictures of the page's screens in build/screenshots")


@pytest.fixture(scope="session")
def browser():
    """One browser for all pages: starting it takes seconds."""
    from harness.browser import Browser  # only tests of pages need Selenium
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, stack):
    """page(client, width): opens the page that converts, signed in as this client."""
    from harness.page import open_page
    return lambda client=None, width=1440: open_page(browser, stack, client, width)


@pytest.fixture
def make_stack(tmp_path, postgres):
    """Makes stacks that a test may break: make_stack(workers=2, worker_settings={…})."""
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
    """An emulator without web and workers, for tests of the emulator."""
    directory = workdir / "emulator"
    directory.mkdir()
    program = emulator_program(directory)
    try:
        yield program.start()
        assert program.alive()
    finally:
        assert program.stop() == 0, program.log()[-4000:]
        assert not program.sanitizer_report()
