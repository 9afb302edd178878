"""Google's clients for Node, installed below build/ as their package-lock.json says."""

import os
import shutil
import subprocess

import pytest

from .file_lock import file_lock
from .paths import PATIENCE, ROOT


def install(name):
    """Installs the packages of tests/e2e/NAME into build/NAME, unless that has been done. Returns that directory."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    source, target = ROOT / "tests" / "e2e" / name, ROOT / "build" / name
    target.mkdir(parents=True, exist_ok=True)
    with file_lock(target / "install.lock"):  # another worker may be at it
        installed = target / "installed-lock.json"  # written last, so that a broken installation is repeated
        lock = (source / "package-lock.json").read_bytes()
        if not installed.exists() or installed.read_bytes() != lock:
            for file in ("package.json", "package-lock.json"):
                shutil.copy(source / file, target)
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=target,
                                  capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"npm ci failed: {done.stderr.strip()[-300:]}")
            installed.write_bytes(lock)
    return target


def run(name, script, **settings):
    """Runs a script of tests/e2e/NAME with the test runner of Node. It must pass."""
    directory = install(name)
    shutil.copy(ROOT / "tests" / "e2e" / name / script, directory)
    done = subprocess.run(["node", "--test", script], cwd=directory, env={**os.environ, **settings}, capture_output=True,
                          text=True, timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
