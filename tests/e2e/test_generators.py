"""Clients that generators make of the contract compile with strict TypeScript, and one of them drives the API. Skipped
where Node or the network is missing."""

import os
import shutil
import subprocess
import uuid

import pytest

from harness import node
from harness.contract import DOCUMENT
from harness.paths import PATIENCE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("generators")]
SOURCE = ROOT / "tests" / "e2e" / "generators"
GENERATORS = {
    "openapi-typescript": ["{document}", "-o", "api.d.ts"],
    "openapi-ts": ["-i", "{document}", "-o", "hey", "-c", "legacy/fetch"],
    "swagger-typescript-api": ["-p", "{document}", "-o", "sta", "-n", "api.ts"],
}


def run(directory, program, *arguments, **settings):
    done = subprocess.run([program, *arguments], cwd=directory, env={**os.environ, **settings}, capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clients():
    """A directory with the generated clients."""
    directory = node.install("generators")
    for file in ("drive.ts", "tsconfig.json"):
        shutil.copy(SOURCE / file, directory)
    for name, arguments in GENERATORS.items():
        run(directory, f"node_modules/.bin/{name}", *(one.format(document=DOCUMENT) for one in arguments))
    return directory


def test_clients_compile_and_drive_the_api(clients, stack):
    run(clients, "node_modules/.bin/tsc", "-p", ".")
    called = run(clients, "node", "out/drive.js", WEB_URL=stack.url, USERNAME=f"gen{uuid.uuid4().hex[:10]}").split()
    assert len(called) == len(set(called)) > 25


def test_client_of_3_0_compiles(clients, stack):
    """The same of the document in the words of OpenAPI 3.0.3."""
    (clients / "openapi-3.0.json").write_bytes(stack.anonymous().get("/openapi-3.0.json").content)
    run(clients, "node_modules/.bin/openapi-typescript", "openapi-3.0.json", "-o", "api30.d.ts")
    run(clients, "node_modules/.bin/swagger-typescript-api", "-p", "openapi-3.0.json", "-o", "sta", "-n", "api30.ts")
    run(clients, "node_modules/.bin/tsc", "-p", ".")
