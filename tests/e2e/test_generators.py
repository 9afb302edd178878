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

pytestmark = pytest.mark.slow
SOURCE = ROOT / "tests" / "e2e" / "generators"


def run(directory, program, *arguments, **settings):
    done = subprocess.run([program, *arguments], cwd=directory, env={**os.environ, **settings}, capture_output=True, text=True,
                          timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def generate(directory, document, suffix, names):
    outputs = {"openapi-typescript": ["-o", f"api{suffix}.d.ts"], "openapi-ts": ["-i", document, "-o", f"hey{suffix}", "-c", "legacy/fetch"],
               "swagger-typescript-api": ["-p", document, "-o", "sta", "-n", f"api{suffix}.ts"]}
    for name in names:
        first = [document] if name == "openapi-typescript" else []
        run(directory, f"node_modules/.bin/{name}", *first, *outputs[name])


def test_clients_compile_and_drive_the_api(stack):
    """Those of the document in the words of OpenAPI 3.0.3 compile, too."""
    directory = node.install("generators")
    for file in ("drive.ts", "tsconfig.json"):
        shutil.copy(SOURCE / file, directory)
    (directory / "openapi-3.0.json").write_bytes(stack.anonymous().get("/openapi-3.0.json").content)
    generate(directory, DOCUMENT, "", ("openapi-typescript", "openapi-ts", "swagger-typescript-api"))
    generate(directory, "openapi-3.0.json", "30", ("openapi-typescript", "swagger-typescript-api"))
    run(directory, "node_modules/.bin/tsc", "-p", ".")
    called = run(directory, "node", "out/drive.js", WEB_URL=stack.url, USERNAME=f"gen{uuid.uuid4().hex[:10]}").split()
    assert len(called) == len(set(called)) > 25
