"""Clocks that hosts have of their own: a library, compiled here, that programs of a host are started with."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


def has_clocks() -> bool:
    """Whether hosts can have clocks of their own: there is a C compiler."""
    return shutil.which("cc") is not None


class Clock:
    """A host's clock; without a compiler it is this machine's. `path`: a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._library = path.with_suffix(".so")
        path.write_bytes(struct.pack("q", 0))
        if has_clocks():
            command = ["cc", "-shared", "-fPIC", "-O1", "-o", self._library, _SOURCE, "-ldl"]
            subprocess.run(command, check=True, capture_output=True)

    def set(self, seconds: int) -> None:
        """Set it so many seconds apart; whatever runs with it sees that at once."""
        with self._path.open("r+b") as file, mmap.mmap(file.fileno(), 8) as page:
            page[:] = struct.pack("q", seconds)

    @property
    def environment(self) -> dict[str, str]:
        """What programs are started with."""
        return {"LD_PRELOAD": str(self._library), "CLUSTER_CLOCK": str(self._path)} if has_clocks() else {}
