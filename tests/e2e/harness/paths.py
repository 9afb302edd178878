"""Where the programs and the sources are, and which build is tested."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
VARIANT = os.environ.get("VARIANT", "release")
BUILD = pathlib.Path(os.environ.get("BUILD") or ROOT / "build" / VARIANT)
LIB = ROOT / "infra" / "local" / "lib"

SANITIZED = VARIANT in ("asan", "tsan")
# Sanitizers slow everything down; a deadline is a bound against hanging, not a measurement.
PATIENCE = 5 if SANITIZED else 1
