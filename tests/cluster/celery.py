"""The sharded job by dagster-celery: steps on two hosts, one of which is killed."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.table import Row
from tests.cluster.hosts import Host, Process, until
from tests.cluster.network import NETS
from tests.cluster.proofs import Tell
from tests.cluster.scene import Scene, scene

ROOT = Path(__file__).parents[2]
SHARDS = 6
WORKER = ("-A", "bootstrap_assets.celery_worker", "worker", "-Q", "dagster", "-c", "2", "-l", "info")
BROKER = f"{NETS['database']}.1"


def sharded(folder: Path, tell: Tell, *, latency: float = 3.0) -> Row:
    """Two hosts take steps, one is killed with its own in hand; from failure on only the rest is done."""
    row = Row("celery", f"bootstrap_sharded, {SHARDS} shards on 2 hosts, 1 killed, executed again from failure")
    if shutil.which("redis-server") is None:
        row.require(False, "there is no redis-server")
        return row
    with scene(folder, latency=latency, rpm=60, tpm=1_000_000) as stage, _redis(stage, folder):
        stage.settings = {
            "BOOTSTRAP_EXECUTOR": "celery",
            "BOOTSTRAP_CELERY_BROKER": f"redis://{BROKER}:6379/0",
            "BOOTSTRAP_SHARDS": str(SHARDS),
            "BOOTSTRAP_VOYAGE_RPM": "60",
            "BOOTSTRAP_VOYAGE_TPM": "1000000",
            "PYTHONPATH": str(ROOT),
        }
        head, kept, killed = (stage.host() for _ in range(3))
        workers = [_worker(host) for host in (kept, killed)]
        until(lambda: all("ready." in worker.log for worker in workers), 120, "both workers are ready")
        run = _start(head, sys.executable, "-m", "tests.cluster.head")
        until(lambda: killed.address in stage.provider.shares, 240, "the second host has paid for a step's texts")
        workers[1].kill()
        at_kill = stage.provider.texts_paid
        tell(f"one host is killed, {at_kill:,} texts are paid for")
        parent = str(stage.one("SELECT run_id FROM bootstrap_dagster.runs"))
        until(lambda: len(_ended(stage, parent)) >= SHARDS - 1, 240, "the other host has done the other steps")
        done = _ended(stage, parent)
        run.send(signal.SIGTERM)
        run.wait(120)
        tell(f"the run is ended: {', '.join(sorted(done))} were done")
        again = _start(head, sys.executable, "-m", "tests.cluster.head", parent)
        code = again.wait(300)
        row.require(code == 0, f"the second run failed: {again.log[-800:]}")
        rest = json.loads(again.log.strip().splitlines()[-1])["done"] if code == 0 else []
        row.require(not set(rest) & done, f"steps were done again: {sorted(set(rest) & done)}")
        _judge(row, stage, rest)
    return row


def _judge(row: Row, stage: Scene, rest: list[str]) -> None:
    provider, usage = stage.provider, stage.provider.usage_by_window()
    distinct = stage.one("SELECT count(*) FROM VECTORS WHERE NOT pooled")
    row.require(stage.missing() == 0, f"{stage.missing()} texts have no vector")
    row.require(usage.most_requests <= 60 and not provider.limited, "the provider's limit was passed")
    row.pay(provider.requests, provider.texts_paid, distinct, allowed=2 * 1_000)
    row.told = (
        f"the second run did {', '.join(rest)}; {provider.texts_paid_twice} texts paid twice; shares "
        f"{sorted(provider.shares.values())}; at most {usage.most_requests} of 60 requests in a minute"
    )


def _ended(stage: Scene, run: str) -> set[str]:
    query = f"""
        SELECT coalesce(json_agg(step_key)::text, '[]') FROM bootstrap_dagster.event_logs
        WHERE run_id = '{run}' AND dagster_event_type = 'STEP_SUCCESS'"""
    return set(json.loads(stage.one(query)))


def _worker(host: Host) -> Process:
    return _start(host, str(Path(sys.executable).with_name("celery")), *WORKER)


def _start(host: Host, *command: str) -> Process:
    """Start something that knows Dagster's home, as docs/dagster.md says."""
    bootstrap = Path(sys.executable).with_name("bootstrap")
    return host.start("/bin/sh", "-c", f'eval "$({bootstrap} env)" && exec "$@"', "sh", *command)


@contextlib.contextmanager
def _redis(stage: Scene, folder: Path) -> Iterator[None]:
    command = ["ip", "netns", "exec", stage.network.centre, "redis-server", "--bind", BROKER, "--save", ""]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--protected-mode", "no", "--dir", str(folder)], stdout=log, stderr=log
        )
    try:
        time.sleep(1)
        yield
    finally:
        process.terminate()
        process.wait(10)
