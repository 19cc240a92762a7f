"""The child process: it reads one document after another, and ends with its parent.

    python -m bootstrap_assets.documents.extraction.worker MEMORY_BYTES

Started by `extractor.Extractor`; requests come on standard input and answers go to what was standard output.
"""

import os
import resource
import sys
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from bootstrap_assets.documents.extraction.confinement import allow_seconds, confine, peak_bytes
from bootstrap_assets.documents.extraction.frames import read_frame, write_frame
from bootstrap_assets.documents.extraction.model import Limits, Reason, Refusal, as_json
from bootstrap_assets.documents.extraction.reading import extract_file

PROGRESS_SECONDS = 1.0
"""Least seconds between two words of progress."""


def main(memory_bytes: int) -> None:
    """Answer requests until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    sys.setrecursionlimit(2_000)
    confine(memory_bytes)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, requests), daemon=True).start()
    write_frame(answers, {"ready": True})
    while True:
        request = requests.get()
        write_frame(answers, {"progress": True})  # it is taken: what happens from here on is the document's doing
        write_frame(answers, answer(request, answers))


def answer(request: dict[str, Any], progress: BinaryIO) -> dict[str, Any]:
    """The answer to a request: a document, or the reason why there is none."""
    limits = Limits(**request["limits"])
    allow_seconds(limits.seconds)
    try:
        document = extract_file(
            Path(request["path"]),
            password=request["password"],
            sha256=request["sha256"],
            limits=limits,
            progress=_Progress(progress),
        )
    except Refusal as refusal:
        return {"reason": refusal.reason, "message": str(refusal)}
    except MemoryError:
        return {"reason": Reason.TOO_MUCH_MEMORY, "message": ""}
    except RecursionError:
        return {
            "reason": Reason.UNSAFE,
            "message": "nests its parts deeper than any document does: it is not read",
        }
    except Exception as error:  # noqa: BLE001, a parser may raise whatever it likes
        if peak_bytes(resource.getrusage(resource.RUSAGE_SELF)) > limits.memory_bytes:
            return {"reason": Reason.TOO_MUCH_MEMORY, "message": ""}
        message = f"could not be read: {type(error).__name__}: {error}"[:300]
        return {"reason": Reason.DAMAGED, "message": message}
    return {"document": as_json(document)}


class _Progress:
    """Tells the parent now and then that the work goes on."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._at = stream, time.monotonic()

    def __call__(self) -> None:
        """One more page, chapter or handful of paragraphs."""
        if time.monotonic() - self._at >= PROGRESS_SECONDS:
            self._at = time.monotonic()
            write_frame(self._stream, {"progress": True})


def _listen(stream: BinaryIO, requests: "SimpleQueue[dict[str, Any]]") -> None:
    """Take requests; end the process at once, in the midst of whatever it does, when the parent has gone."""
    while (request := read_frame(stream)) is not None:
        requests.put(request)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
