"""Clients that generators make of the contract compile with strict TypeScript, and one of them drives every operation. Skipped
where Node or the network is missing."""

import json
import os
import pathlib
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
               "swagger-typescript-api": ["-p", document, "-o", "sta", "-n", f"api{suffix}.ts"],
               "orval": ["--input", document, "--output", f"orval{suffix}.ts", "--client", "fetch"]}
    for name in names:
        first = [document] if name == "openapi-typescript" else []
        run(directory, f"node_modules/.bin/{name}", *first, *outputs[name])


def test_clients_compile_and_drive_the_api(stack):
    """Those of the document in the words of OpenAPI 3.0.3 compile, too."""
    directory = node.install("generators")
    for file in ("drive.ts", "tsconfig.json"):
        shutil.copy(SOURCE / file, directory)
    (directory / "openapi-3.0.json").write_bytes(stack.anonymous().get("/openapi-3.0.json").content)
    generate(directory, DOCUMENT, "", ("openapi-typescript", "openapi-ts", "swagger-typescript-api", "orval"))
    generate(directory, "openapi-3.0.json", "30", ("openapi-typescript", "swagger-typescript-api"))
    run(directory, "node_modules/.bin/tsc", "-p", ".")
    called = run(directory, "node", "out/drive.js", WEB_URL=stack.url, USERNAME=f"gen{uuid.uuid4().hex[:10]}").split()
    document = json.loads(pathlib.Path(DOCUMENT).read_text(encoding="utf-8"))
    operations = [operation["operationId"] for path in document["paths"].values() for method, operation in path.items()
                  if method in ("get", "post", "put", "delete")]
    assert sorted(called) == sorted(operations)
