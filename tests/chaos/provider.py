"""What a provider does to those who ask it: it fails in every way it can, or refuses three texts of a thousand."""

from random import Random

from tests.chaos.corpus import CLAUSES, NAMES, plain, write
from tests.chaos.ground import Ground, Tell
from tests.chaos.inspection import bad_vectors, faults
from tests.chaos.kills import finish, pay
from tests.chaos.processes import Child
from tests.chaos.scene import Scene
from tests.chaos.table import Row
from tests.fakes.faults import UNPLANNED, Fault

SHARE = 0.3
RUNS = 6
POISON = 3

ALL_FAULTS = [fault for fault in Fault if fault not in UNPLANNED or fault in (Fault.slow, Fault.stalled)]
"""All but what concerns the account (401, 403, quota) or the text (400), which no further attempt gets over."""


class Deck:
    """Fails a share of requests, with every fault in turn: the next one of a deck that is shuffled anew."""

    def __init__(self, share: float, rng: Random) -> None:
        self._share = share
        self._rng = rng
        self._deck: list[Fault] = []

    def draw(self) -> Fault | None:
        if self._rng.random() >= self._share:
            return None
        if not self._deck:
            self._deck = self._rng.sample(ALL_FAULTS, len(ALL_FAULTS))
        return self._deck.pop()


def flaky(ground: Ground, rng: Random, tell: Tell, *, documents: int, request_texts: int = 12) -> Row:
    """Three requests of ten fail, in every way: all records are there, nothing sound is asked for again."""
    row = Row("flaky provider", "")
    plan = ground.plan(documents)
    standard = ground.undisturbed(plan)
    with ground.scene(latency=0.01) as scene:
        plan.write(scene.data)
        scene.settings = {"BOOTSTRAP_VOYAGE_TIMEOUT": "0.8", "BOOTSTRAP_BREAKER_SECONDS": "1"}
        scene.provider.slow_seconds = 1.6
        scene.provider.faults = Deck(SHARE, Random(rng.random()))
        runs = _runs(scene, row, tell, request_texts)
        served, arrived = dict(scene.provider.served), scene.provider.arrived
        scene.provider.faults = None
        never = {fault.value for fault in ALL_FAULTS} - {fault.value for fault in served}
        row.require(not never, f"the corpus was too small for {', '.join(sorted(never))}")
        twice = scene.provider.texts_paid_twice
        row.require(not twice, f"{twice} texts were paid for again that had been answered well")
        finish(scene, row, standard, scene.provider.charged.total() - standard.distinct)
        row.paid, row.allowed = scene.provider.texts_paid, 0
        charged = scene.provider.charged.total()
    row.done = f"{sum(served.values())} of {arrived} requests failed in {len(served)} ways, {runs} run(s)"
    row.told = f"with what was computed and did not arrive whole, {charged} texts were charged; " + ", ".join(
        f"{fault.value} {count}" for fault, count in sorted(served.items())
    )
    return row


def _runs(scene: Scene, row: Row, tell: Tell, texts: int) -> int:
    """Runs until all is well, with retries of the dead letters between; how many."""
    for number in range(1, RUNS + 1):
        ended = scene.run(request_texts=texts)
        row.wrong += bad_vectors(scene)
        if ended.exit_code != 0:
            tell(f"run {number} gave up: {ended.last_line}")
            row.require("Traceback" not in ended.log, f"a run ended with a traceback: {ended.last_line}")
        elif scene.one("SELECT count(*) FROM bootstrap_failures WHERE resolved_at IS NULL"):
            tell(f"run {number} left dead letters")
            scene.run(action="retry", request_texts=texts)
        if not faults(scene):
            return number
    row.require(False, f"{RUNS} runs did not come to the end: {ended.last_line}")
    return RUNS


def poison(ground: Ground, rng: Random, tell: Tell, *, documents: int) -> Row:
    """Three texts are refused, whatever stands beside them; once they are cured, `failures retry` leaves none."""
    texts = documents * (CLAUSES + 1)
    row = Row("poison", f"{POISON} of {texts:,} texts refused, then cured")
    contracts = plain(rng.randrange(1_000), documents)
    clauses = [text for contract in contracts.values() for text in contract.values()]
    with ground.scene() as scene:
        write(scene.data, NAMES[0], contracts)
        scene.provider.poison = set(rng.sample(clauses, POISON))
        ended = scene.run([NAMES[0]])
        _look(scene, row, ended, texts, dead=POISON)
        tell(f"{scene.provider.arrived} requests with the poison")
        again = scene.provider.arrived
        _look(scene, row, scene.run([NAMES[0]]), texts, dead=POISON)
        row.require(scene.provider.arrived == again, "a second run sent the dead letters again")
        scene.provider.poison = set()
        _look(scene, row, scene.run(action="retry"), texts, dead=0)
        row.wrong += faults(scene)
        row.require(scene.provider.arrived <= again + POISON, "the retry sent more than the dead letters")
        pay(scene, row, texts)
    return row


def _look(scene: Scene, row: Row, ended: Child, texts: int, *, dead: int) -> None:
    row.require(ended.exit_code == 0, f"a run failed: {ended.last_line}")
    letters = scene.rows("SELECT stage FROM bootstrap_failures WHERE resolved_at IS NULL")
    row.require(letters == [("embed",)] * dead, f"{len(letters)} dead letters, not {dead}: {letters}")
    vectors = scene.one("SELECT count(*) FROM VECTORS")
    row.require(vectors == texts - dead, f"{vectors} vectors, not {texts - dead}")
    status = scene.one("SELECT status FROM bootstrap_progress")
    row.require(status == ("completed_with_failures" if dead else "completed"), f"the source is {status}")
    row.wrong += bad_vectors(scene)
