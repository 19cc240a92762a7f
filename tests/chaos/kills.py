"""SIGKILL at random moments in every stage; what is left, after runs to the end, is the undisturbed corpus."""

import hashlib
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from tests.chaos.archives import ArchiveServer
from tests.chaos.corpus import Plan
from tests.chaos.ground import Ground, Standard, Tell
from tests.chaos.inspection import faults
from tests.chaos.processes import Child
from tests.chaos.scene import WORKERS, Scene
from tests.chaos.table import Row

STAGES = {
    "open": 0.04,
    "download": 0.12,
    "parse": 0.1,
    "merge": 0.05,
    "plan": 0.02,
    "embedding": 0.35,
    "storing": 0.3,
    "pooling": 0.1,
    "index": 0.08,
}
"""Where a kill can fall, in the order of the way, and how many seconds after its beginning a kill is drawn."""

REQUEST_TEXTS = 4
LATENCY = 0.06

_WIDEN = """
CREATE FUNCTION chaos_mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('application_name', 'chaos:' || TG_ARGV[0], true);
    PERFORM pg_sleep(TG_ARGV[1]::float8);
    RETURN NEW;
END $$;
CREATE TRIGGER chaos_merge AFTER INSERT ON reference_records
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_mark('merge', '0.1');
CREATE TRIGGER chaos_storing BEFORE INSERT ON VECTORS
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_mark('storing', '0.03');
CREATE TRIGGER chaos_pooling BEFORE INSERT ON VECTORS
    FOR EACH ROW WHEN (NEW.pooled) EXECUTE FUNCTION chaos_mark('pooling', '0.15');
"""
"""Makes the short moments of the database longer, and tells which it is by the name of the connection."""


@dataclass
class Tally:
    """What was killed where, and the texts that this may have cost."""

    kills: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    most_requests: int = 0

    @property
    def told(self) -> str:
        stages = ", ".join(f"{stage} {count}" for stage in [*STAGES, "end"] if (count := self.stages[stage]))
        in_flight = f"at most {self.most_requests} requests in flight at one"
        return f"{self.kills} kills (some in two stages at once): {stages}; {in_flight}"


class Hunter:
    """Watches the children of a scene and kills them where it is told to."""

    def __init__(self, scene: Scene, tally: Tally, connection: psycopg.Connection) -> None:
        self.scene = scene
        self._tally = tally
        self._connection = connection

    def places(self, child: Child) -> set[str]:
        """The stages that a child is in: its own word for it, refined by what database and provider see.

        Several at once, where one request is on its way while another one is stored.
        """
        stage = child.stage or "open"
        if stage not in ("load", "embed"):
            return {stage}
        marks = self._connection.execute(
            "SELECT substr(application_name, 7) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'chaos:%'"
        )
        found = {str(row[0]) for row in marks}
        if stage == "load":
            return found or {"parse"}
        return found | ({"embedding"} if self.scene.provider.in_flight else set()) or {"plan"}

    def kill_in(self, target: str, delay: float, **options: Any) -> Child | None:
        """Start a child and kill it so long after it came to a stage. None, or the child if it ended before."""
        before = len(self.scene.provider.log)
        child = self.scene.start(**options)
        while child.exit_code is None and target not in self.places(child):
            time.sleep(0.003)
        return self._kill(child, delay, before)

    def kill_after(self, seconds: float, **options: Any) -> Child | None:
        """Start a child and kill it after that time, wherever it is. None, or the child if it ended before."""
        before = len(self.scene.provider.log)
        return self._kill(self.scene.start(**options), seconds, before)

    def _kill(self, child: Child, delay: float, before: int) -> Child | None:
        until = time.monotonic() + delay
        while child.exit_code is None and time.monotonic() < until:
            time.sleep(0.003)
        child.send(signal.SIGSTOP)
        if child.exit_code is not None:
            return child
        places = self.places(child)  # it stands still: this is where it dies
        child.kill()
        self._tally.kills += 1
        self._tally.stages.update(places)
        self._count_lost(before)
        return None

    def _count_lost(self, before: int) -> None:
        time.sleep(0.02)  # a request that was in the socket when its sender died is read by now
        in_flight = unstored(self.scene, before)
        self._tally.lost += len(set().union(*in_flight))
        self._tally.most_requests = max(self._tally.most_requests, len(in_flight))


def unstored(scene: Scene, since: int) -> list[set[bytes]]:
    """What each request after the first `since` held that has no vector: on its way, or not yet committed."""
    stored = scene.stored()
    sent = [set(map(_digest, entry.texts)) for entry in scene.provider.log[since:]]
    return [left for texts in sent if (left := texts - stored)]


@contextmanager
def hunting(scene: Scene, tally: Tally) -> Iterator[Hunter]:
    """A hunter with a connection of its own."""
    with psycopg.connect(scene.url, autocommit=True, application_name="hunter") as connection:
        yield Hunter(scene, tally, connection)


@dataclass
class Hunt:
    """Many kills over corpora of one plan, each corpus compared with the undisturbed one in the end."""

    ground: Ground
    rng: Random
    plan: Plan
    standard: Standard
    row: Row
    tally: Tally

    def along(self, targets: list[tuple[str, float]]) -> None:
        """Kill in these stages, so many seconds after they began, on one corpus."""
        with self._corpus() as hunter:
            for target, delay in targets:
                self._look(hunter.kill_in(target, delay, request_texts=REQUEST_TEXTS))

    def anywhere(self, count: int, slowest: float, *, fresh: bool = False) -> None:
        """Kill after times of up to `slowest` seconds; a corpus that a run completed is followed by another."""
        wanted = self.tally.kills + count
        while self.tally.kills < wanted:
            with self._corpus() as hunter:
                ended = None
                while ended is None and self.tally.kills < wanted:
                    delay = self.rng.uniform(0.02, slowest)
                    ended = hunter.kill_after(delay, request_texts=REQUEST_TEXTS, fresh=fresh)
                    self._look(ended)

    def missed(self) -> list[str]:
        """Stages that no kill fell into."""
        return [stage for stage in STAGES if not self.tally.stages[stage]]

    def _look(self, ended: Child | None) -> None:
        if ended is not None:
            self.row.require(ended.exit_code == 0, f"a run that was not killed failed: {ended.last_line}")

    @contextmanager
    def _corpus(self) -> Iterator[Hunter]:
        lost = self.tally.lost
        with (
            self.ground.scene(latency=LATENCY) as scene,
            ArchiveServer(self.plan.write(scene.data), 0.2) as archives,
        ):
            scene.settings = {
                "BOOTSTRAP_DATA": "official",
                "CHAOS_ARCHIVES": archives.url,
                "CHAOS_PARSE_PAUSE": "0.006",
            }
            scene.execute(_WIDEN)
            with hunting(scene, self.tally) as hunter:
                yield hunter
            finish(scene, self.row, self.standard, self.tally.lost - lost)
            nothing_left(scene, self.row)


def kills(
    ground: Ground,
    rng: Random,
    tell: Tell,
    *,
    documents: int = 24,
    corpora: int,
    anywhere: int = 0,
    fresh: int = 0,
) -> Row:
    """Kill in every stage on each corpus, `anywhere` times after any time, `fresh` times a new interpreter."""
    plan = ground.plan(documents)
    row, tally = Row("kills", ""), Tally()
    hunt = Hunt(ground, rng, plan, ground.undisturbed(plan), row, tally)
    for number in range(corpora):
        hunt.along(draw_targets(rng, more=6 if corpora > 1 else 0))
        tell(f"corpus {number + 1} of {corpora}; {tally.told}")
    hunt.anywhere(anywhere, 1.6)
    hunt.anywhere(fresh, 4.0, fresh=True)
    for _ in range(3):
        if missed := hunt.missed():
            hunt.along([(stage, rng.uniform(0, STAGES[stage] / 2)) for stage in missed])
    row.done = f"{tally.kills} × SIGKILL, each followed by a run"
    row.told = tally.told
    row.require(tally.most_requests <= WORKERS, f"{tally.most_requests} requests in flight at a kill")
    row.require(not hunt.missed(), f"no kill fell into {', '.join(hunt.missed())}")
    return row


def draw_targets(rng: Random, *, more: int) -> list[tuple[str, float]]:
    """A plan of kills: every stage up to the index, `more` drawn ones (on the second source), and the index."""
    on_the_way = [stage for stage in STAGES if stage != "index"]
    drawn = [*on_the_way, *sorted(rng.choices(on_the_way[1:], k=more), key=on_the_way.index), "index", "index"]
    return [(stage, rng.uniform(0, STAGES[stage])) for stage in drawn]


def finish(scene: Scene, row: Row, standard: Standard, allowed: int, **options: Any) -> None:
    """Run to the end, and compare with the undisturbed corpus."""
    ended = scene.run(**({"request_texts": REQUEST_TEXTS} | options))
    row.require(ended.exit_code == 0, f"the last run failed: {ended.last_line}")
    row.wrong += faults(scene, standard.digest)
    pay(scene, row, standard.distinct, allowed)


def nothing_left(scene: Scene, row: Row) -> None:
    """Run over a complete corpus, which must ask the provider for nothing."""
    before = scene.provider.arrived
    row.require(scene.run().exit_code == 0, "a run over a complete corpus failed")
    row.require(scene.provider.arrived == before, "a run over a complete corpus asked the provider")


def pay(scene: Scene, row: Row, distinct: int, allowed: int = 0) -> None:
    """Enter what the provider charged for a scene: also what it computed for a client that was gone by then."""
    row.pay(scene.provider.arrived, scene.provider.charged.total(), distinct, allowed)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
