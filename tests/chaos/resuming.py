"""A run that resumes never skips a record: runs over some batches, in any order, killed in between."""

from random import Random

from tests.chaos.corpus import NAMES
from tests.chaos.ground import Ground, Tell
from tests.chaos.inspection import own_batches
from tests.chaos.kills import LATENCY, Hunter, Tally, finish, hunting
from tests.chaos.scene import BATCHES, Scene
from tests.chaos.table import Row


def resuming(ground: Ground, rng: Random, tell: Tell, *, runs: int, documents: int = 24) -> Row:
    """Runs over drawn batches, every second one killed; after each, what is told as complete has its vectors."""
    plan = ground.plan(documents)
    standard = ground.undisturbed(plan)
    row, tally = Row("resuming", ""), Tally()
    with ground.scene(latency=LATENCY) as scene, hunting(scene, tally) as hunter:
        plan.write(scene.data)
        for number in range(runs):
            batches = rng.sample(range(BATCHES), k=rng.randint(1, 6))
            _run(hunter, row, [rng.choice(NAMES)], batches, rng.uniform(0, 0.12) if number % 2 else None)
            row.wrong += lies(scene)
        tell(tally.told)
        finish(scene, row, standard, tally.lost)
    row.done = f"{runs} runs over drawn batches, {tally.kills} of them killed"
    row.require(tally.kills > 0, "no run was killed")
    return row


def _run(hunter: Hunter, row: Row, sources: list[str], batches: list[int], delay: float | None) -> None:
    options = {"sources": sources, "batches": batches, "request_texts": 3}
    ended = hunter.kill_in("embedding", delay, **options) if delay is not None else hunter.scene.run(**options)
    if ended is None:
        return
    row.require(ended.exit_code == 0, f"a run over batches {batches} failed: {ended.last_line}")
    left = set(own_batches(hunter.scene, sources[0])) & set(batches)
    row.require(not left, f"a run over batches {batches} left records of {sorted(left)} without a vector")


def lies(scene: Scene) -> list[str]:
    """Batches that are told as complete and have records without a vector."""
    found = []
    for source in NAMES:
        without = set(own_batches(scene, source))
        told = scene.rows("SELECT batch FROM bootstrap_batches WHERE stage = 'complete' AND source = %s", source)
        if wrong := without & {row[0] for row in told}:
            found.append(f"batches {sorted(wrong)} of {source} are told as complete and are not")
    return found
