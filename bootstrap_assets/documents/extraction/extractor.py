"""Extraction in a child process: whatever a file does to its parser, this process goes on.

    with Extractor() as extractor:
        document = extractor.extract(path)

One child reads many documents, one after another; it is replaced after a crash, after a limit, and after some
hundred documents. It ends with this process, however that ends.
"""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from bootstrap_assets.documents.extraction.child import Child, ChildDiedBefore, ChildLost, too_much_memory
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Limits, Reason, from_json
from bootstrap_assets.errors import PermanentError, StoppedError
from bootstrap_assets.stopping import Stop

HEARTBEAT_SECONDS = 30.0
"""Seconds between two calls of the heartbeat while a document is read."""

_LOOK = 0.2


class ExtractionFailure(PermanentError):
    """A document gave no text. The message names the file and says what to do; `reason` says the kind."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Extractor:
    """Reads documents in a child process of its own. Not for several threads at once."""

    def __init__(self, limits: Limits | None = None, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self.limits = limits or Limits()
        self._heartbeat_seconds = heartbeat_seconds
        self._child: Child | None = None

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The number of the child, None while there is none."""
        return self._child.pid if self._child else None

    def extract(
        self,
        path: Path,
        *,
        password: str | None = None,
        sha256: str | None = None,
        heartbeat: Callable[[], None] = lambda: None,
        stop: Stop | None = None,
    ) -> ExtractedDocument:
        """The document in a file. `sha256` (hex): what its bytes must be, where that is known.

        `heartbeat` is called every `heartbeat_seconds` meanwhile. Raises ExtractionFailure, and StoppedError once
        `stop` is set. Either way the next document can be read at once.
        """
        request = {"path": str(path.absolute()), "password": password, "sha256": sha256}
        try:
            try:
                answer = self._answer(request, heartbeat, stop or Stop())
            except ChildDiedBefore:
                answer = self._answer(request, heartbeat, stop or Stop())
        except ChildLost as lost:
            raise ExtractionFailure(lost.reason, f"{shown_name(path)} {lost}") from None
        return self._document(answer, path)

    def close(self) -> None:
        """End the child, where there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def _answer(self, request: dict[str, Any], heartbeat: Callable[[], None], stop: Stop) -> dict[str, Any]:
        child = self._ready_child()
        is_done = False
        try:
            child.ask(request | {"limits": asdict(self.limits)})
            answer = self._await(child, heartbeat, stop)
            is_done = True
        finally:
            if not is_done or child.is_worn():
                self.close()
        return answer

    def _ready_child(self) -> "Child":
        if self._child is None or not self._child.is_alive():
            self.close()
            self._child = Child(self.limits)
        return self._child

    def _await(self, child: "Child", heartbeat: Callable[[], None], stop: Stop) -> dict[str, Any]:
        """The child's answer. Raises ChildLost where it dies or passes a limit, StoppedError on request."""
        begin = beat = time.monotonic()
        while (answer := child.receive(_LOOK)) is None:
            now = time.monotonic()
            if stop.is_set():
                raise StoppedError
            if now - begin > self.limits.seconds:
                seconds = f"{self.limits.seconds:,.0f} s"
                raise ChildLost(Reason.TOO_SLOW, f"was not read within {seconds}: divide it, or raise the limit")
            child.require_memory(self.limits.memory_bytes)
            if now - beat >= self._heartbeat_seconds:
                beat = now
                heartbeat()
        return answer

    def _document(self, answer: dict[str, Any], path: Path) -> ExtractedDocument:
        if "document" in answer:
            try:
                return from_json(answer["document"])
            except (KeyError, TypeError, ValueError):
                self.close()
                message = f"{shown_name(path)} made its reader answer nonsense: it is damaged or malicious"
                raise ExtractionFailure(Reason.CRASHED, message) from None
        reason = Reason(answer["reason"])
        message = answer["message"] or too_much_memory(self.limits.memory_bytes)
        if reason is Reason.TOO_MUCH_MEMORY:
            self.close()
        raise ExtractionFailure(reason, f"{shown_name(path)} {message}")


def shown_name(path: Path, most: int = 80) -> str:
    """A file's name in one line, however long it is and whatever stands in it."""
    name = "".join(letter if letter.isprintable() else "�" for letter in path.name)
    return name if len(name) <= most else f"{name[: most - 21]}…{name[-20:]}"
