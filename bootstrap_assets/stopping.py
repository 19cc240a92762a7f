"""Asking work to stop, at its next safe point."""

import time

_LOOK = 0.05  # seconds between two looks, while waiting


class Stop:
    """Says that work should stop. Setting a stop sets its children too, and not the other way round.

    So a source that fails ends its own waits and not those of other sources. Used from several threads, and set by
    signal handlers: a handler runs in the midst of whatever its thread does, so there is no lock here that the
    thread could be holding (threading.Event has one).
    """

    def __init__(self, parent: "Stop | None" = None) -> None:
        self._parent = parent
        self._set = False

    def child(self) -> "Stop":
        """A stop for a part of the work."""
        return Stop(self)

    def set(self) -> None:
        """Ask to stop."""
        self._set = True

    def is_set(self) -> bool:
        """Whether it was asked to stop."""
        return self._set or (self._parent is not None and self._parent.is_set())

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is asked to stop; returns whether it was."""
        until = time.monotonic() + seconds
        while not self.is_set() and (rest := until - time.monotonic()) > 0:
            time.sleep(min(rest, _LOOK))
        return self.is_set()
