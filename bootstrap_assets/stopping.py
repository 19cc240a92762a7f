"""Asking work to stop, at its next safe point."""

import threading
from weakref import WeakSet


class Stop:
    """Says that work should stop. What is told to a stop is told to its children, and not the other way round.

    So a source that fails ends its own waits and not those of other sources. Used from several threads.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._children: WeakSet[Stop] = WeakSet()

    def child(self) -> "Stop":
        """A stop for a part of the work."""
        child = Stop()
        with self._lock:
            self._children.add(child)
            if self._event.is_set():
                child.set()
        return child

    def set(self) -> None:
        """Ask to stop."""
        with self._lock:
            self._event.set()
            children = list(self._children)
        for child in children:
            child.set()

    def is_set(self) -> bool:
        """Whether it was asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until it is asked to stop; returns whether it was."""
        return self._event.wait(seconds)
