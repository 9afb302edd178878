"""Failures injected into programs by a preloaded library (inject.c)."""

import mmap
import pathlib
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_name("inject.c")
ALLOCATIONS, FAILED, CALLS, DISK = range(4)


class Injection:
    """`settings` is the environment of the programs that the failures are for."""

    def __init__(self, directory):
        library, control = directory / "inject.so", directory / "inject.control"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl"], check=True)
        control.write_bytes(bytes(4096))
        self._file = open(control, "r+b")
        self._map = mmap.mmap(self._file.fileno(), 4096)
        self.settings = {"LD_PRELOAD": str(library), "INJECT_FILE": str(control)}

    def _set(self, field, value):
        self._map[8 * field:8 * field + 8] = struct.pack("q", value)

    def _get(self, field):
        return struct.unpack("q", self._map[8 * field:8 * field + 8])[0]

    def fail_allocation(self, number):
        """The allocation that is to fail, from 1; 0: none."""
        self._set(ALLOCATIONS, number)

    def has_failed(self):
        """True once that allocation has failed."""
        return self._get(ALLOCATIONS) <= 0

    def break_calls(self, enabled):
        self._set(CALLS, enabled)

    def fill_disk(self, enabled):
        self._set(DISK, enabled)

    def close(self):
        self._map.close()
        self._file.close()
