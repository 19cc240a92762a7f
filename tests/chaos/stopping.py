"""SIGINT and SIGTERM end a run well; SIGKILL of the real `bootstrap run` command does no harm."""

import signal
import time
from random import Random

from tests.chaos.ground import Ground, Tell
from tests.chaos.inspection import faults
from tests.chaos.kills import REQUEST_TEXTS, finish, pay, unstored
from tests.chaos.processes import Child, Stuck
from tests.chaos.scene import WORKERS, Scene
from tests.chaos.table import Row
from tests.fakes.voyage_server import Always, Fault

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PAUSE = 12
"""Seconds in which a command that waits for the provider has to stop."""

SLOWLY = 0.4
"""Latency of the provider in seconds, so that a signal finds requests in flight."""


def stopping(ground: Ground, rng: Random, tell: Tell, *, times: int, documents: int = 24) -> Row:
    """Stop runs in the middle, by either signal: what was in flight is stored, and nothing is paid for again."""
    row = Row("stopped", f"{times} × SIGTERM or SIGINT")
    plan = ground.plan(documents)
    standard = ground.undisturbed(plan)
    with ground.scene(latency=SLOWLY / 2) as scene:
        plan.write(scene.data)
        for number in range(times):
            child = scene.start(request_texts=REQUEST_TEXTS)
            _stop(scene, row, child, SIGNALS[number % 2], rng.uniform(0, 0.3))
        finish(scene, row, standard, 0)
        row.require(not scene.provider.texts_paid_twice, f"{scene.provider.texts_paid_twice} texts paid twice")
    return row


def stopping_the_command(ground: Ground, rng: Random, tell: Tell, *, times: int) -> Row:
    """The same with `bootstrap run`, which also has to say so, in its code and in a line."""
    row = Row("bootstrap run stopped", "")
    with ground.scene(latency=3 * SLOWLY) as scene:
        for number in range(times):
            child = _command(scene)
            told = _stop(scene, row, child, SIGNALS[number % 2], rng.uniform(0, 0.5))
            if told:
                row.require("stopped" in child.log, f"it did not say that it was stopped: {child.last_line}")
                row.require("Traceback" not in child.log, "it printed a traceback")
            tell(f"exit code {child.exit_code}: {child.last_line}")
        _end_well(scene, row)
        pay(scene, row, len(scene.provider.charged))
    with ground.scene() as scene:
        _stop_in_a_pause(scene, row)
        allowed = _stop_at_once(scene, row)
        _end_well(scene, row)
        pay(scene, row, len(scene.provider.charged), allowed)
    row.done = f"{times} × SIGTERM or SIGINT, one in a pause, two together"
    return row


def _stop_in_a_pause(scene: Scene, row: Row) -> None:
    """Stop the command while it waits, as the provider asked it to: it must not wait to the end."""
    before = len(scene.provider.log)
    scene.provider.faults, scene.provider.retry_after = Always(Fault.rate_limited), 3 * PAUSE
    child = _command(scene)
    _wait(scene, child, before, 60)
    time.sleep(1)
    child.send(signal.SIGTERM)
    try:
        row.require(child.wait(PAUSE) != 0, "SIGTERM during a pause: exit code 0")
    except Stuck:
        row.require(False, f"SIGTERM during a pause of {3 * PAUSE} s had no effect for {PAUSE} s")
    scene.provider.faults = None
    scene.execute("UPDATE embedding_limiters SET paused_until = '-infinity'")


def _stop_at_once(scene: Scene, row: Row) -> int:
    """Two signals: the command does not wait for the requests in flight; gives the texts that may cost."""
    before, scene.provider.latency = len(scene.provider.log), PAUSE
    child = _command(scene)
    _wait(scene, child, before, 60)
    for _ in range(2):
        time.sleep(1)
        child.send(signal.SIGINT)
    try:
        row.require(child.wait(PAUSE / 3) != 0, "two SIGINT: exit code 0")
    except Stuck:
        row.require(False, f"two SIGINT did not end it within {PAUSE / 3:.0f} s")
    scene.provider.latency = 0.0
    return len(set().union(*unstored(scene, before)))


def killing_the_command(ground: Ground, rng: Random, tell: Tell, *, times: int) -> Row:
    """SIGKILL of `bootstrap run`: of the command alone, whose child must notice, or of both at once."""
    row, allowed = Row("bootstrap run killed", f"{times} × SIGKILL"), 0
    with ground.scene() as scene:
        _end_well(scene, row)
        expected, distinct = scene.digest(), len(scene.provider.charged)
    with ground.scene(latency=SLOWLY) as scene:
        for number in range(times):
            before = len(scene.provider.log)
            child = _command(scene)
            _wait(scene, child, before if number % 3 else 10**9, rng.uniform(3, 9) if not number % 3 else 60)
            time.sleep(rng.uniform(0, SLOWLY))
            child.kill(with_descendants=bool(number % 2))
            allowed += len(set().union(*unstored(scene, before)))
            tell(f"kill {number + 1} of {times}")
        _end_well(scene, row)
        row.wrong += [f"{table} differs" for table, rows in scene.digest().items() if rows != expected[table]]
        pay(scene, row, distinct, allowed)
    return row


def _stop(scene: Scene, row: Row, child: Child, number: signal.Signals, delay: float) -> bool:
    """Stop a run a moment after its first request came; False where it was over by then."""
    before = len(scene.provider.log)
    _wait(scene, child, before, 60)
    time.sleep(delay)
    if child.exit_code is not None:
        row.require(child.exit_code == 0, f"a run failed: {child.last_line}")
        return False
    sent = len(scene.provider.log)
    child.send(number)
    try:
        code = child.wait(60)
    except Stuck as error:
        row.require(False, f"{number.name}: {error}")
        return False
    row.require(code > 0, f"{number.name}: exit code {code}")
    more = len(scene.provider.log) - sent
    row.require(more <= WORKERS, f"{number.name}: {more} requests were sent after it")
    left = unstored(scene, 0)
    row.require(not left, f"{number.name}: {len(left)} requests were answered and not stored")
    working = scene.one("SELECT string_agg(source, ', ') FROM bootstrap_progress WHERE status = 'in_progress'")
    row.require(not working, f"{number.name}: still told to be in progress: {working}")
    return True


def _command(scene: Scene) -> Child:
    # A minute's tokens are divided among 25 requests at least: so the sample makes many of them.
    environment = scene.environment(BOOTSTRAP_DATA="sample", BOOTSTRAP_VOYAGE_TPM="150000")
    return scene.crew.command(["run"], environment)


def _end_well(scene: Scene, row: Row) -> None:
    ended = _command(scene)
    row.require(ended.wait() == 0, f"`bootstrap run` failed: {ended.last_line}")
    row.wrong += faults(scene)


def _wait(scene: Scene, child: Child, requests: int, seconds: float) -> None:
    """Wait for a request after so many, for the end of the child, or for that long."""
    until = time.monotonic() + seconds
    while child.exit_code is None and len(scene.provider.log) <= requests and time.monotonic() < until:
        time.sleep(0.01)
