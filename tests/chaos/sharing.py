"""Several processes at once, on one source or on two that share texts: no text is paid for twice, none fails."""

import time
from random import Random

from tests.chaos.corpus import NAMES, Plan
from tests.chaos.ground import Ground, Tell
from tests.chaos.inspection import faults
from tests.chaos.kills import pay
from tests.chaos.table import Row


def same_source(ground: Ground, rng: Random, tell: Tell, *, rounds: int, documents: int) -> Row:
    """Two processes go the whole way for the same sources."""
    row = Row("two processes, same sources", "")
    return _together(ground, rng, tell, row, [[*NAMES], [*NAMES]], rounds, ground.plan(documents))


def shared_texts(ground: Ground, rng: Random, tell: Tell, *, rounds: int, documents: int) -> Row:
    """Two processes go the whole way, each for one of two sources that share a third of their texts."""
    row = Row("two processes, shared texts", "")
    return _together(ground, rng, tell, row, [[name] for name in NAMES], rounds, ground.plan(documents))


def _together(
    ground: Ground, rng: Random, tell: Tell, row: Row, crews: list[list[str]], rounds: int, plan: Plan
) -> Row:
    standard = ground.undisturbed(plan)
    for number in range(rounds):
        with ground.scene(latency=rng.uniform(0.0, 0.08)) as scene:
            plan.write(scene.data)
            texts = rng.choice([30, 110, 1_000]) if rounds > 1 else 3
            children = []
            for sources in crews:
                children.append(scene.start(sources, request_texts=texts))
                time.sleep(rng.choice([0.0, rng.uniform(0, 0.4)]))
            for child in children:
                row.require(child.wait() == 0, f"a process failed: {child.last_line}")
            row.wrong += faults(scene, standard.digest)
            row.require(not scene.provider.texts_paid_twice, f"{scene.provider.texts_paid_twice} texts paid twice")
            pay(scene, row, standard.distinct)
        tell(f"round {number + 1} of {rounds}")
    row.done = f"{rounds} × two processes at once"
    return row
