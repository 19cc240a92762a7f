"""Rate limits that the provider enforces: two processes never exceed them, and make use of them."""

import time
from random import Random

from tests.chaos.corpus import NAMES, Plan
from tests.chaos.ground import Ground, Tell
from tests.chaos.scene import Scene
from tests.chaos.table import Row

SLACK = 0.7
"""Seconds by which we count a window longer than the provider does, where it is no minute: a request that is sent
later may arrive earlier. (The core has one second on its minute.)"""

USED = 0.9
"""The share of the limit that binds which has to be reached."""


def requests_limit(
    ground: Ground,
    rng: Random,
    tell: Tell,
    *,
    rpm: int = 60,
    tpm: int = 100_000,
    window: float = 60.0,
    windows: int,
    used: float = USED,
) -> Row:
    """Small requests, of which a minute takes `rpm`: the number of requests binds."""
    plan = Plan(ground.seed, rpm * (windows + 2) // 2, long_texts=0)
    return _limited(ground, plan, Row("limit of requests", ""), 4, rpm, tpm, window, windows, used)


def tokens_limit(
    ground: Ground,
    rng: Random,
    tell: Tell,
    *,
    rpm: int = 60,
    tpm: int = 100_000,
    window: float = 60.0,
    windows: int,
    used: float = USED,
) -> Row:
    """Requests as large as the pipeline makes them: the number of tokens binds, or nearly both."""
    plan = Plan(ground.seed, tpm * (windows + 2) // 600, long_texts=0)
    return _limited(ground, plan, Row("limit of tokens", ""), 1_000, rpm, tpm, window, windows, used)


def _limited(
    ground: Ground,
    plan: Plan,
    row: Row,
    texts: int,
    rpm: int,
    tpm: int,
    window: float,
    windows: int,
    needed: float,
) -> Row:
    """Two processes, one source each, until whole windows are over; `window` is what stands for a minute."""
    with ground.scene(rpm=rpm, tpm=tpm, window=window, latency=0.1) as scene:
        plan.write(scene.data)
        scene.settings = {"BOOTSTRAP_VOYAGE_RPM": str(rpm), "BOOTSTRAP_VOYAGE_TPM": str(tpm)}
        counted = None if window == 60.0 else window + SLACK
        children = [scene.start([name], request_texts=texts, window=counted) for name in NAMES]
        until = None
        while until is None or time.monotonic() < until:
            time.sleep(0.05)
            if until is None and scene.provider.log:
                until = scene.provider.log[0].arrived + window * windows + 1.5
            ended = [child for child in children if child.exit_code is not None]
            if len(ended) == len(children) or any(child.exit_code for child in ended):
                row.require(False, f"a process ended before the time was over: {ended[0].last_line}")
                break
        for child in children:
            if child.exit_code is None:
                child.kill()
        _measure(scene, row, rpm, tpm, needed)
        usage = scene.provider.usage_by_window()
        row.requests, row.paid = scene.provider.arrived, scene.provider.texts_paid
        row.distinct = len(scene.provider.paid)
        row.require(not scene.provider.texts_paid_twice, f"{scene.provider.texts_paid_twice} texts paid twice")
    row.done = f"2 processes, {windows} × {window:.0f} s, {rpm} requests and {tpm:,} tokens each"
    row.told = (
        f"{usage.average_requests:.1f} requests and {usage.average_tokens:,.0f} tokens a window, "
        f"at most {usage.most_requests} and {usage.most_tokens:,}"
    )
    return row


def _measure(scene: Scene, row: Row, rpm: int, tpm: int, needed: float) -> None:
    usage = scene.provider.usage_by_window()
    row.require(scene.provider.limited == 0, f"{scene.provider.limited} requests were answered with 429")
    row.require(usage.most_requests <= rpm, f"{usage.most_requests} requests in a window of {rpm}")
    row.require(usage.most_tokens <= tpm, f"{usage.most_tokens} tokens in a window of {tpm}")
    used = max(usage.average_requests / rpm, usage.average_tokens / tpm)
    row.require(used >= needed, f"only {used:.0%} of the binding limit was used")
