"""What the tests of the deployment take for a complaint in its logs."""

import pytest

from tests.dagster.logs import complaints

LATE = """2026-11-27 14:48:14 +0000 - dagster.daemon.BackfillDaemon - INFO - Asset partitions to request:
Exception in callback None()
handle: <Handle cancelled>
Traceback (most recent call last):
  File "/usr/lib/python3.11/asyncio/events.py", line 80, in _run
    self._context.run(self._callback, *self._args)
  File "src/python/grpcio/grpc/_cython/_cygrpc/aio/completion_queue.pyx.pxi", line 153, in {frame}
{last}
2026-11-27 14:48:15 +0000 - dagster.daemon.SensorDaemon - INFO - Checking for new runs for sensor: requests
"""
FRAME = "grpc._cython.cygrpc.PollerCompletionQueue._handle_events"
CLOSED = "OSError: [Errno 9] Bad file descriptor"
READ = "BlockingIOError: [Errno 11] Resource temporarily unavailable"


@pytest.mark.parametrize("last", [CLOSED, READ])
def test_a_loop_that_comes_too_late_to_the_queue_of_grpc_is_no_complaint(last: str) -> None:
    assert complaints(LATE.format(frame=FRAME, last=last)) == []


@pytest.mark.parametrize(("frame", "last"), [(FRAME, "KeyError: 1"), ("grpc._cython.cygrpc._other", CLOSED)])
def test_any_other_traceback_is_one_and_is_shown_whole_with_what_stands_around_it(frame: str, last: str) -> None:
    log = LATE.format(frame=frame, last=last)
    assert complaints(log) == [log.rstrip()]


def test_a_traceback_that_the_log_breaks_off_is_a_complaint() -> None:
    assert complaints("Traceback (most recent call last):") == ["Traceback (most recent call last):"]


def test_a_warning_is_shown_with_the_lines_around_it() -> None:
    before, after = [f"before {number}" for number in range(5)], [f"after {number}" for number in range(5)]
    log = "\n".join([*before, "a WARNING of something", *after])
    assert complaints(log) == ["\n".join([*before[-3:], "a WARNING of something", *after[:3]])]


def test_a_deprecation_of_dagster_in_itself_is_no_complaint() -> None:
    assert complaints("/lib/site-packages/dagster/_daemon/asset_daemon.py:1: DeprecationWarning: keys") == []
