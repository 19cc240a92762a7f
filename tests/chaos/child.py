"""A process that goes the whole way for some sources, made to be killed.

Forked from a warm server by the harness, or by hand: `python -m tests.chaos.child '<orders as JSON>'`.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import voyageai.api_resources  # noqa: F401  (a second to import: the fork server does it once for all)

from bootstrap_assets import pipeline
from bootstrap_assets.documents import stages
from bootstrap_assets.documents.extraction.extractor import Extractor
from bootstrap_assets.documents.extraction.model import ExtractedDocument
from bootstrap_assets.embedding import context, ledger
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.embedding.providers.protocol import Embedder, Embeddings, InputType
from bootstrap_assets.errors import BootstrapError
from bootstrap_assets.settings import load_settings
from bootstrap_assets.sources.fetch import locate
from tests.chaos import corpus as made_up

ORPHANED = 70
"""Exit code of a child whose harness is gone."""

STAGE_BYTES = 16


@dataclass(frozen=True)
class Orders:
    """What a child does: for which sources and batches (None: all), how, and where it tells of it."""

    sources: list[str]
    environment: dict[str, str]
    stage_file: str
    log_file: str
    request_texts: int = 1_000
    batches: list[int] | None = None
    action: str = "way"
    window: float | None = None
    unset: list[str] = field(default_factory=lambda: ["BOOTSTRAP_", "VOYAGE_", "DAGSTER_"])

    def dump(self) -> str:
        return json.dumps(asdict(self))


class SmallRequests:
    """An embedder whose requests hold fewer texts, so that a small corpus makes many of them."""

    def __init__(self, embedder: Embedder, texts: int) -> None:
        self._embedder = embedder
        self.model = replace(embedder.model, request_texts=min(texts, embedder.model.request_texts))

    @property
    def account(self) -> str:
        return self._embedder.account

    def embed(self, texts: Sequence[str], input_type: InputType) -> Embeddings:
        return self._embedder.embed(texts, input_type)


def main(orders: Orders) -> None:
    """Do what was ordered; never returns. Exit code 1 where it raised, with the reason as the log's last line."""
    _redirect(Path(orders.log_file))
    _end_with_the_harness()
    for name in [name for name in os.environ if name.startswith(tuple(orders.unset))]:
        del os.environ[name]
    os.environ.update(orders.environment)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have told its background jobs to ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    if orders.window is not None:  # the core's window is a minute for good: a test has no time for that
        ledger.reserve.__kwdefaults__["window"] = orders.window
    try:
        _work(orders)
    except KeyboardInterrupt:
        _leave("interrupted", 130)
    except BaseException as error:  # noqa: BLE001
        if not isinstance(error, BootstrapError):
            traceback.print_exc()
        _leave(f"{type(error).__name__}: {' '.join(str(error).split())}", 1)
    _leave("done", 0)


def _work(orders: Orders) -> None:
    enter = _Stages(Path(orders.stage_file)).enter
    enter("open")
    with context.open_corpus(load_settings()) as opened:
        corpus = replace(opened, embedder=SmallRequests(opened.embedder, orders.request_texts))
        if orders.action == "retry":
            enter("embed")
            pipeline.retry_failures(corpus)
        for name in orders.sources if orders.action == "way" else ():
            _source(corpus, orders, name, enter)
        if orders.action == "documents":
            _documents(corpus, orders, enter)
            return
        enter("index")
        pipeline.build_index(corpus)
    enter("end")


def _source(corpus: Corpus, orders: Orders, name: str, enter: Callable[[str], None]) -> None:
    source = made_up.source(name)
    enter("download")
    archives = locate.fetch(corpus.settings, source)
    enter("load")
    pipeline.load(corpus, source, archives)
    enter("embed")
    pipeline.embed(corpus, source, batches=orders.batches)


def _documents(corpus: Corpus, orders: Orders, enter: Callable[[str], None]) -> None:
    """All documents of some tenants. Each call of the extractor leaves a line in the file CHAOS_EXTRACTIONS."""
    extract, pause = Extractor.extract, float(os.environ.get("CHAOS_PARSE_PAUSE", "0"))

    def counted(self: Extractor, path: Path, **options: Any) -> ExtractedDocument:
        with Path(os.environ["CHAOS_EXTRACTIONS"]).open("a") as file:
            file.write(f"{options['sha256']}\n")
        time.sleep(pause)
        return extract(self, path, **options)

    Extractor.extract = counted  # type: ignore[method-assign]
    enter("documents")
    for tenant in orders.sources:
        stages.process(corpus, tenant)


class _Stages:
    """Tells the harness, through a file, which stage was entered."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT)

    def enter(self, stage: str) -> None:
        os.pwrite(self._file, stage.encode().ljust(STAGE_BYTES), 0)


def _redirect(log: Path) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _end_with_the_harness() -> None:
    parent = parent_process()
    sentinel = parent.sentinel if parent else sys.stdin.fileno()

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


def _leave(line: str, code: int) -> None:
    print(line, flush=True)
    os._exit(code)  # what the fork server registered at exit is not this process's to do


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
