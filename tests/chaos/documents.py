"""SIGKILL in every stage of the work on a tenant's documents, and of the child that reads one."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from bootstrap_assets.database.connection import Database
from bootstrap_assets.documents import inbox, tenants
from bootstrap_assets.sample.documents.pdf_file import REGULAR, pages_pdf
from tests.chaos.corpus import Plan, plain
from tests.chaos.ground import Ground, Tell
from tests.chaos.inspection import bad_vectors, missing
from tests.chaos.kills import REQUEST_TEXTS, Hunter, Tally, pay
from tests.chaos.processes import Child, descendants
from tests.chaos.scene import Digest, Scene, digest_of
from tests.chaos.table import Row

TENANT = "chaos"
STAGES = {"extracting": 0.08, "chunking": 0.1, "embedding": 0.6, "connecting": 0.1}
"""Where a kill can fall, and how many seconds after its beginning a kill is drawn."""

_ORDERS: dict[str, Any] = {"sources": [TENANT], "action": "documents", "request_texts": REQUEST_TEXTS}

_WIDEN = """
CREATE FUNCTION chaos_pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(TG_ARGV[0]::float8);
    RETURN NEW;
END $$;
CREATE TRIGGER chaos_chunking AFTER INSERT ON reference_records
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_pause('0.05');
CREATE TRIGGER chaos_storing BEFORE INSERT ON VECTORS
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_pause('0.03');
CREATE TRIGGER chaos_connecting BEFORE INSERT ON reference_connections
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_pause('0.5');
"""
"""Makes the short moments of the database longer."""

Kept = dict[str, set[tuple[Any, ...]]]
"""What is there of each document once a stage of it is done: what no later run may make anew, by the stage."""


class DocumentHunter(Hunter):
    """Kills a process where it is in the work on documents."""

    def places(self, child: Child) -> set[str]:
        """The stages of the documents that a child has at work."""
        rows = self._connection.execute(
            "SELECT DISTINCT stage FROM document_states WHERE owner LIKE %s", (f"%:{child.pid}:%",)
        )
        return {str(row[0]) for row in rows} or {child.stage or "open"}


@dataclass
class Watch:
    """Compares what was kept at each kill with what is there in the end."""

    scene: Scene
    extractions: Path
    kept: list[tuple[Kept, Counter[str]]] = field(default_factory=list)

    def calls(self) -> Counter[str]:
        """How often each document, by the hash of its bytes, was given to the extractor."""
        return Counter(self.extractions.read_text().split() if self.extractions.exists() else [])

    def look(self) -> None:
        """Remember what is done now."""
        self.kept.append((_kept(self.scene), self.calls()))

    def repeated(self) -> list[str]:
        """What was made anew although it was done when the process was killed."""
        faults, last, calls = [], _kept(self.scene), self.calls()
        for kept, before in self.kept:
            faults += [f"{stage} done again: {len(left)}" for stage in kept if (left := kept[stage] - last[stage])]
            again = [name for (name,) in kept["extracted"] if calls[name] > before[name]]
            faults += [f"extracted again after it was done: {len(again)}"] * bool(again)
        return faults


def _kept(scene: Scene) -> Kept:
    done = "SELECT document_id FROM document_states WHERE completed_stages ? %s"
    passages = f"SELECT id, content_hash, created_at FROM reference_records WHERE document_id IN ({done})"
    times = "SELECT document_id, s.key, s.value::text FROM document_states, jsonb_each(completed_stages) s"
    versions = f"SELECT encode(version, 'hex') FROM document_states WHERE document_id IN ({done})"
    return {
        "extracted": set(scene.rows(versions, "extracted")),
        "chunked": set(scene.rows(passages, "chunked")),
        "stages": set(scene.rows(times)),
    }


MANY = 20
"""Documents from which on a stage lasts long enough to be killed in twice."""


def kills(ground: Ground, rng: Random, tell: Tell, *, rounds: int, documents: int) -> Row:
    """Kill in each stage, several times along one tenant's documents; then a run to the end, and one more."""
    row, tally = Row("documents", ""), Tally()
    standard = _undisturbed(ground, documents)
    for number in range(rounds):
        with _scene(ground, documents) as scene, _hunting(scene, tally) as hunter:
            watch, lost = Watch(scene, scene.folder / "extractions"), tally.lost
            again = rng.choices(
                list(STAGES), k=2 if documents > MANY else 0
            )  # of few, one kill leaves no second one
            for stage in sorted([*STAGES, *again], key=list(STAGES).index):
                ended = hunter.kill_in(stage, rng.uniform(0, STAGES[stage]), **_ORDERS)
                row.require(ended is None, f"a run ended before it came to {stage}")
                watch.look()
            _finish(scene, row, standard, tally.lost - lost)
            row.wrong += watch.repeated()
            _nothing_left(scene, row, watch)
        tell(f"round {number + 1} of {rounds}; {_told(tally)}")
    _kill_the_reader(ground, row, documents)
    row.done = f"{tally.kills} × SIGKILL in the stages of {documents} documents, and one of the reader alone"
    row.told = _told(tally)
    missed = [stage for stage in STAGES if not tally.stages[stage]]
    row.require(not missed, f"no kill fell into {', '.join(missed)}")
    return row


def _told(tally: Tally) -> str:
    stages = ", ".join(f"{stage} {tally.stages[stage]}" for stage in STAGES)
    return f"{tally.kills} kills: {stages}; at most {tally.most_requests} requests in flight at one"


@contextmanager
def _scene(ground: Ground, documents: int) -> Iterator[Scene]:
    """A corpus with a reference that is searched, and a tenant's documents that nobody has worked on yet."""
    plan = Plan(ground.seed, 12, long_texts=0)
    with ground.scene(latency=0.06) as scene:
        plan.write(scene.data)
        assert scene.run().exit_code == 0
        scene.execute(_WIDEN)
        scene.settings = {
            "CHAOS_EXTRACTIONS": str(scene.folder / "extractions"),
            "CHAOS_PARSE_PAUSE": "0.03",
        }
        _put(scene, _files(scene, ground.seed, documents))
        yield scene


def _put(scene: Scene, folder: Path) -> None:
    with Database(scene.url) as database:
        with database.connection() as connection:
            tenants.add(connection, TENANT)
        inbox.add(database, TENANT, [folder])


def _files(scene: Scene, seed: int, documents: int) -> Path:
    """Every second document is a clause of the reference, word for word; the others have clauses of their own."""
    folder = scene.folder / "documents"
    folder.mkdir()
    same = [row[0] for row in scene.rows("SELECT content FROM reference_texts ORDER BY content_hash")]
    for number, clauses in enumerate(plain(seed + 1, documents).values()):
        own = "\n\n".join(f"## {number}.{place} Section\n\n{text}" for place, text in enumerate(clauses.values()))
        (folder / f"{number}.md").write_text(same[number] if number % 2 else own)
    return folder


@contextmanager
def _hunting(scene: Scene, tally: Tally) -> Iterator[DocumentHunter]:
    with psycopg.connect(scene.url, autocommit=True, application_name="hunter") as connection:
        yield DocumentHunter(scene, tally, connection)


def _undisturbed(ground: Ground, documents: int) -> Digest:
    with _scene(ground, documents) as scene:
        ended = scene.run(**_ORDERS)
        assert ended.exit_code == 0, ended.log
        assert scene.one("SELECT count(*) FROM reference_connections") >= documents // 2
        return _digest(scene)


def _digest(scene: Scene) -> Digest:
    with psycopg.connect(scene.url, autocommit=True) as connection:
        return scene.digest() | {"connections": digest_of(connection, "reference_connections")}


def _finish(scene: Scene, row: Row, standard: Digest, lost: int) -> None:
    ended = scene.run(**_ORDERS)
    row.require(ended.exit_code == 0, f"the last run failed: {ended.last_line}")
    got = _digest(scene)
    row.wrong += [
        f"{table} is not as after a run that nobody killed" for table in got if got[table] != standard[table]
    ]
    row.wrong += missing(scene) + bad_vectors(scene) + _not_complete(scene)
    pay(scene, row, len(scene.stored()), lost)


def _not_complete(scene: Scene) -> list[str]:
    stages = scene.rows("SELECT name, stage FROM document_states WHERE stage <> 'complete' OR owner IS NOT NULL")
    return [f"{name} is {stage}" for name, stage in stages]


def _nothing_left(scene: Scene, row: Row, watch: Watch) -> None:
    before, calls = scene.provider.arrived, watch.calls()
    row.require(scene.run(**_ORDERS).exit_code == 0, "a run over complete documents failed")
    row.require(scene.provider.arrived == before, "a run over complete documents asked the provider")
    row.require(watch.calls() == calls, "a run over complete documents extracted one")


def _kill_the_reader(ground: Ground, row: Row, documents: int) -> None:
    """SIGKILL the child that reads a long document: this one fails, and nothing else."""
    with _scene(ground, documents) as scene:
        page = [(72.0, 780.0 - 12 * line, REGULAR, "The parties agree on this line.") for line in range(60)]
        path = scene.folder / "long.pdf"
        path.write_bytes(pages_pdf([page] * 400, "A long agreement"))
        _put(scene, path)
        version = sha256(path.read_bytes()).hexdigest()
        child = scene.start(**_ORDERS)
        extractions = scene.folder / "extractions"
        while child.exit_code is None and version not in (extractions.read_text() if extractions.exists() else ""):
            time.sleep(0.003)
        time.sleep(0.3)
        _strike_the_readers(child)
        row.require(child.wait() == 0, f"the run failed with its reader: {child.last_line}")
        rest = scene.rows("SELECT name, stage FROM document_states WHERE stage <> 'complete'")
        row.require(rest == [("long.pdf", "failed")], f"not only the killed one is not complete: {rest}")
        reason = scene.one("SELECT coalesce(max(reason), '') FROM document_states WHERE stage = 'failed'")
        row.require("long.pdf" in reason, f"the reason does not name the document: {reason}")


def _strike_the_readers(child: Child) -> None:
    for pid in descendants(child.pid):
        if b"extraction.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
