"""The process that parses: reads blobs from standard input, says what stands in them on standard output.

`LANGUAGE SIZE`, a line feed and so many bytes come in; sixteen digits and so many bytes of JSON go out.
"""

import json
import resource
import sys
from typing import IO

from bootstrap_assets.repositories.languages import reader_of
from bootstrap_assets.repositories.symbols import Finding, Parsed

_DEEPEST = 3000  # calls; a reader that needs more has met something made to break it


def confine(memory: int) -> None:
    """No more memory than this, no files to write, no core to dump, few open files."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for name, limit in limits.items():
        _, hard = resource.getrlimit(name)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (most, most))


def parsed(language: str, source: bytes) -> Parsed:
    """What a blob says; what a reader cannot do is a finding."""
    reader = reader_of(language)
    if reader is None:
        return Parsed(language)
    try:
        return reader.read(source)
    except (MemoryError, RecursionError) as error:
        return Parsed(language, findings=[Finding("parser_failed", f"parsing gave up: {type(error).__name__}")])


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Answer until nothing comes any more."""
    for heading in iter(incoming.readline, b""):
        language, size = heading.decode("ascii").split()
        answer = json.dumps(parsed(language, incoming.read(int(size))).to_json(), separators=(",", ":")).encode()
        outgoing.write(f"{len(answer):016d}".encode("ascii") + answer)
        outgoing.flush()


if __name__ == "__main__":
    confine(int(sys.argv[1]))
    sys.setrecursionlimit(_DEEPEST)
    serve(sys.stdin.buffer, sys.stdout.buffer)
