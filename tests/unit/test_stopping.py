"""A stop reaches what it should, and can be set from a signal handler at any moment."""

import sys
import threading
import time
from types import FrameType
from typing import Any

from bootstrap_assets.stopping import Stop


def test_what_is_told_to_a_stop_is_told_to_its_children_and_not_the_other_way_round() -> None:
    stop = Stop()
    first, second = stop.child(), stop.child()
    grandchild = first.child()
    first.set()
    assert (stop.is_set(), first.is_set(), second.is_set(), grandchild.is_set()) == (False, True, False, True)
    stop.set()
    assert second.is_set()
    assert stop.child().is_set()


def test_a_wait_ends_when_the_parent_is_told() -> None:
    stop = Stop()
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    assert stop.child().wait(30)
    assert time.monotonic() - started < 5
    assert not Stop().wait(0.01)


def test_a_signal_in_the_midst_of_any_line_stops_without_a_deadlock() -> None:
    """A handler runs between two steps of whatever its thread does: here it comes at every single one."""
    stop = Stop()

    def handler(_frame: FrameType, event: str, _argument: Any) -> Any:
        sys.settrace(None)
        stop.set()
        sys.settrace(handler)
        return handler

    def work() -> None:
        sys.settrace(handler)
        child = stop.child()
        child.wait(0.01)
        stop.wait(0.01)
        child.is_set()
        child.set()
        sys.settrace(None)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert stop.is_set()
