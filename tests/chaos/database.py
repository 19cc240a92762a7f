"""What a database does to its writers: restarts, cut connections, deadlocks, a full disk, a refused row."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

import psycopg

from bootstrap_assets.database.embedded import server
from bootstrap_assets.texts.content import content_hash
from tests.chaos.corpus import NAMES, Plan, plain, write
from tests.chaos.ground import Ground, Tell, own_ground
from tests.chaos.inspection import faults
from tests.chaos.kills import finish, pay, unstored
from tests.chaos.processes import Child
from tests.chaos.scene import VECTORS, WORKERS, Scene
from tests.chaos.table import Row

RUNS = 6
"""Runs after which a scenario stops waiting for a complete corpus."""

_REFUSE = """
CREATE FUNCTION chaos_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'chaos refuses this' USING ERRCODE = TG_ARGV[0];
END $$;
"""
_GATE = """
CREATE TABLE chaos_gate AS SELECT 1 AS one;
CREATE FUNCTION chaos_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM one FROM chaos_gate FOR UPDATE;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_wait AFTER INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION chaos_wait();
"""
_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_progress_copy c JOIN pg_stat_activity a USING (pid)
WHERE a.datname = current_database() AND a.query ILIKE '%vectors%' AND c.bytes_processed > 0
"""


def restarts(ground: Ground, rng: Random, tell: Tell, *, times: int, documents: int) -> Row:
    """The server is restarted again and again during a run: half of the times in order, half by a crash."""
    row, runs, texts = Row("database restarted", ""), 1, 4
    plan = ground.plan(documents)
    standard, allowed = ground.undisturbed(plan), 0
    with own_ground(ground.seed, committed=True) as own, own.scene(latency=0.3) as scene:
        plan.write(scene.data)
        child = scene.start(request_texts=texts)
        _wait_for_requests(scene, child)
        for number in range(times):
            time.sleep(rng.uniform(0.2, 1.0))
            if child.exit_code is not None:
                row.require(
                    child.exit_code != 0, f"the run ended after {number} restarts: the corpus is too small"
                )
                tell(f"a run gave up: {child.last_line}")
                child, runs = scene.start(request_texts=texts), runs + 1
                _wait_for_requests(scene, child)
            allowed += len(set().union(*unstored(scene, 0)))
            _restart(own.folder.parent, "immediate" if number % 2 else "fast")
            tell(f"restart {number + 1} of {times}")
        if child.wait() != 0:
            tell(f"a run gave up: {child.last_line}")
            runs += _runs_to_the_end(scene, row, texts)
        finish(scene, row, standard, allowed, request_texts=texts)
        extra = scene.provider.charged.total() - standard.distinct
        row.require(scene.provider.most_in_flight <= WORKERS, "more requests in flight than workers")
    row.done = f"{times} restarts during {runs} run{'s' * (runs > 1)}"
    row.told = f"{extra} texts were paid for again, {scene.provider.texts_paid_twice} of them well answered before"
    return row


def cut_copies(ground: Ground, rng: Random, tell: Tell, *, times: int, documents: int = 60) -> Row:
    """The connection is cut in the middle of a COPY of vectors."""
    row = Row("connection cut in a COPY", "")
    cuts = 0

    def disturb(scene: Scene, child: Child) -> None:
        nonlocal cuts
        with psycopg.connect(scene.url, autocommit=True) as connection:
            while child.exit_code is None and cuts < times:
                found = connection.execute(_CUT).fetchone()
                cuts += found[0] if found else 0

    runs = _disturbed(ground, rng, row, disturb, documents=documents)
    row.require(cuts >= times, f"only {cuts} of {times} connections were cut")
    row.done = f"{cuts} × pg_terminate_backend, {runs} run(s)"
    return row


def deadlocks(ground: Ground, rng: Random, tell: Tell, *, merges: int = 2) -> Row:
    """A deadlock that the pipeline is chosen to lose: in the merge of vectors, and in that of records."""
    row, runs = Row("deadlock", ""), 0
    for waits, meets in ((VECTORS, VECTORS), ("reference_records", "reference_texts"))[:merges]:
        runs += _disturbed(
            ground,
            rng,
            row,
            partial(_deadlock, row=row, table=meets),
            documents=12,
            prepare=_GATE.format(table=waits),
            sources=[NAMES[0]],
        )
    row.done = f"{merges} deadlock(s), {runs} run(s)"
    return row


def full_disk(ground: Ground, rng: Random, tell: Tell, *, seconds: float, documents: int = 24) -> Row:
    """Every write of vectors is refused as on a full disk, for a while."""
    row = Row("disk full", "")
    trigger = (
        "CREATE TRIGGER chaos_full BEFORE INSERT ON VECTORS "
        "FOR EACH STATEMENT EXECUTE FUNCTION chaos_refuse('53100')"
    )

    def disturb(scene: Scene, child: Child) -> None:
        _wait_for_requests(scene, child)
        time.sleep(seconds)
        scene.execute("DROP TRIGGER chaos_full ON VECTORS")

    runs = _disturbed(ground, rng, row, disturb, documents=documents, prepare=f"{_REFUSE}{trigger}")
    row.done = f"writes refused for {seconds:g} s, {runs} run(s)"
    return row


def refused_row(ground: Ground, rng: Random, tell: Tell) -> Row:
    """The table refuses one row: the others stay, it is a dead letter, and a retry stores it once it is taken."""
    row = Row("one row refused", "1 row refused, then taken")
    contracts = plain(ground.seed, 20)
    victim = content_hash(rng.choice([text for clauses in contracts.values() for text in clauses.values()]))
    trigger = (
        "CREATE TRIGGER chaos_row BEFORE INSERT ON VECTORS FOR EACH ROW "
        f"WHEN (NEW.content_hash = '\\x{victim.hex()}') EXECUTE FUNCTION chaos_refuse('23514')"
    )
    with ground.scene() as scene:
        write(scene.data, NAMES[0], contracts)
        scene.execute(_REFUSE, trigger)
        ended = scene.run([NAMES[0]], request_texts=70)
        row.require(ended.exit_code == 0, f"the run failed: {ended.last_line}")
        row.require(scene.stored() == set(scene.provider.charged) - {victim}, "other rows are missing too")
        dead = scene.rows("SELECT stage, content_hash FROM bootstrap_failures WHERE resolved_at IS NULL")
        row.require(
            dead == [("store", victim)], f"dead letters: {[(stage, digest.hex()[:8]) for stage, digest in dead]}"
        )
        row.require(not scene.provider.texts_paid_twice, "its neighbours were paid for again")
        scene.execute("DROP TRIGGER chaos_row ON VECTORS")
        retried = scene.run(action="retry")
        row.require(retried.exit_code == 0, f"the retry failed: {retried.last_line}")
        row.wrong += faults(scene)
        pay(scene, row, 200, 1)
    return row


def _disturbed(
    ground: Ground,
    rng: Random,
    row: Row,
    disturb: Callable[[Scene, Child], None],
    *,
    documents: int,
    prepare: str = "SELECT 1",
    sources: Sequence[str] = NAMES,
) -> int:
    """A run that `disturb` does something to, and further ones until the corpus is complete; how many in all.

    Nothing may be paid for twice: who is still alive has the answer still.
    """
    plan = ground.plan(documents)
    standard = ground.undisturbed(plan)
    with ground.scene() as scene:
        plan.write(scene.data)
        scene.execute(prepare)
        child = scene.start(sources)
        disturb(scene, child)
        runs = 1
        if child.wait() != 0:
            row.told += f"a run gave up: {child.last_line} "
            runs += _runs_to_the_end(scene, row)
        scene.execute("DROP TABLE IF EXISTS chaos_gate CASCADE", "DROP FUNCTION IF EXISTS chaos_wait CASCADE")
        finish(scene, row, standard, 0)
    return runs


def _runs_to_the_end(scene: Scene, row: Row, texts: int = 1_000) -> int:
    for number in range(1, RUNS):
        ended = scene.run(request_texts=texts)
        if ended.exit_code == 0:
            return number
    row.require(False, f"{RUNS} runs did not come to the end: {ended.last_line}")
    return RUNS


def _deadlock(scene: Scene, child: Child, *, row: Row, table: str) -> None:
    """Hold what the child's transaction will wait for, and want what it has: after a second it is the victim."""
    with psycopg.connect(scene.url) as connection:
        connection.execute("SET deadlock_timeout = '1h'")
        connection.execute("SELECT one FROM chaos_gate FOR UPDATE")
        digest = _wait_for_waiter(connection, scene, child)
        values = "%s, array_fill(0.5, ARRAY[1024])::vector" if table == VECTORS else "%s, 'chaos'"
        column = "embedding" if table == VECTORS else "content"
        insert = f"INSERT INTO {table} (content_hash, {column}, tokens) VALUES ({values}, 1)"
        row.require(child.exit_code is None, "the run ended without waiting for us")
        try:  # where it succeeds, the other transaction was rolled back though it still waited for us: a deadlock
            connection.execute(insert, (digest,))  # type: ignore[arg-type]
        except psycopg.Error as error:
            row.require(False, f"the pipeline did not lose the deadlock: {type(error).__name__}")
        connection.rollback()


def _wait_for_waiter(connection: psycopg.Connection, scene: Scene, child: Child) -> bytes:
    """Wait until the child waits for us; returns the hash of a text that its open transaction writes."""
    contracts = Plan.read(scene.data, NAMES[0])
    with psycopg.connect(scene.url, autocommit=True) as observer:
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND %s = ANY(pg_blocking_pids(pid))"
        )
        while child.exit_code is None and observer.execute(query, (connection.info.backend_pid,)).fetchone() == (
            0,
        ):
            time.sleep(0.01)
    return content_hash(next(iter(contracts["Contract 0"].values())))


def _wait_for_requests(scene: Scene, child: Child) -> None:
    while child.exit_code is None and not scene.provider.arrived:
        time.sleep(0.01)


def _restart(home: Path, mode: str) -> None:
    """Restart the server of a home, as the user that it runs as."""
    folder = home / "postgres"
    owner = folder.stat()
    user = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    subprocess.run(
        [server.program("pg_ctl"), "restart", "-D", folder, "-m", mode, "-w", "-s", "-l", folder / "log"],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **user,  # type: ignore[arg-type]
    )
