"""How likely each text of the corpus is to have a label: the list that a search gains by a query that means one.

Whatever the scorers of today have not read, or whose records changed since, is read: so the work grows with the
change, and the same call does what is left. Texts that are unlikely to have any label are not listed. Documents of
tenants are read by documents.py, which writes here too.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import numpy as np
import numpy.typing as npt

from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import MissingExtraError, SchemaError, StoppedError
from bootstrap_assets.labels import store
from bootstrap_assets.labels.classification import Verdict, certainty
from bootstrap_assets.labels.lessons import Contract, contract_of
from bootstrap_assets.labels.pieces import Stretch
from bootstrap_assets.labels.scorers import Scorer, Scorers
from bootstrap_assets.sources.registry import SOURCES
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

_log = logging.getLogger(__name__)

LEAST = 0.05
"""Probability from which on a text is listed: about one label for each. From .02 on, a search is no better."""

AT_ONCE = 10
"""Documents that are read together: the scorers' terms are looked up once for all. Ten of 300 pages take .4 GB."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A piece that may have a label, and how likely."""

    source: str
    label: str
    piece: Stretch
    probability: float


@dataclass(frozen=True, slots=True)
class _Work:
    """A document to read, by which scorers, and a digest of the records that it has."""

    document: UUID
    scorers: str
    records: int


def read_new(database: Database, stop: Stop) -> int:
    """`read_all` after a load, where there are scorers; returns how many documents were read.

    Records are looked at only where some were loaded, or scorers trained, since. Without the extra `labels`, or
    where scorers are of another version, texts wait: a load does not fail for it.
    """
    due = database.transact(lambda connection: connection.execute(statement("reading_due")).fetchone())
    if due is None:
        return 0
    try:
        count = read_all(database, stop)
    except (MissingExtraError, SchemaError) as error:
        _log.warning("texts wait for what scorers say of them: %s", error)
        return 0
    database.transact(lambda connection: connection.execute(statement("reading_done"), {"version": due[0]}))
    return count


def read_all(database: Database, stop: Stop) -> int:
    """Read what of the reference corpus these scorers have not read; returns how many documents that were.

    MissingExtraError without the extra `labels`, StoppedError once `stop` is set.
    """
    work = database.transact(_lacking)
    those = database.transact(scorers_of) if work else []
    for start in range(0, len(work), AT_ONCE):
        if stop.is_set():
            raise StoppedError
        some = {each.document: each for each in work[start : start + AT_ONCE]}
        contracts = database.transact(partial(_contracts, documents=list(some)))
        lists = of_contracts(those, contracts)
        for contract, likely in zip(contracts, lists, strict=True):
            each = some[contract.id]
            database.transact(
                partial(write, document=contract.id, scorers=each.scorers, records=each.records, likely=likely)
            )
    if work:
        database.transact(lambda connection: connection.execute(statement("analyze_likelihoods")))
    return len(work)


def of_contracts(those: Sequence[Scorers], contracts: Sequence[Contract]) -> list[list[Likelihood]]:
    """For each contract what these scorers say of its pieces, from `LEAST` on."""
    texts = [contract.text[slice(*piece)] for contract in contracts for piece in contract.pieces]
    owner = np.repeat(np.arange(len(contracts)), [len(contract.pieces) for contract in contracts])
    lists: list[list[Likelihood]] = [[] for _ in contracts]
    for scorers in those if texts else ():
        probabilities = scorers.probabilities(scorers.features.view(texts, owner))
        for number, contract in enumerate(contracts):
            rows = probabilities[owner == number] * certainty(scorers, contract.text)
            for column, scorer in enumerate(scorers.scorers):
                lists[number] += _likely(scorers.source, scorer, contract.pieces, rows[:, column])
    return lists


def of_verdicts(verdicts: Sequence[Verdict], pieces: Sequence[Stretch]) -> Iterator[Likelihood]:
    """What was said of a document's pieces, from `LEAST` on."""
    for verdict in verdicts:
        yield from _likely(verdict.teacher.source.name, verdict.scorer, pieces, verdict.probabilities)


def _likely(
    source: str, scorer: Scorer, pieces: Sequence[Stretch], probabilities: npt.NDArray[np.float64]
) -> Iterator[Likelihood]:
    for row in np.flatnonzero(probabilities >= LEAST):
        yield Likelihood(source, scorer.label, pieces[int(row)], float(probabilities[row]))


def write(
    connection: Connection,
    *,
    document: UUID,
    scorers: str,
    records: int | None = None,
    likely: Sequence[Likelihood],
) -> None:
    """Store what these scorers say of a document, in place of what others said.

    `records`: a digest of those that it has; None where they do not change but with the document's version.
    """
    parameters = {"document": document, "scorers": scorers, "records": records}
    connection.execute(statement("forget_reading"), parameters)
    if not connection.execute(statement("write_reading"), parameters).rowcount:
        return  # removed, or read by another, meanwhile
    columns = {
        "sources": [it.source for it in likely],
        "labels": [it.label for it in likely],
        "starts": [it.piece[0] for it in likely],
        "ends": [it.piece[1] for it in likely],
        "probabilities": [it.probability for it in likely],
    }
    connection.execute(statement("write_likelihoods"), parameters | columns)


def _lacking(connection: Connection) -> list[_Work]:
    return [_Work(*row) for row in connection.execute(statement("documents_to_weigh"))]


def _contracts(connection: Connection, *, documents: list[UUID]) -> list[Contract]:
    rows = connection.execute(statement("documents_of_lesson"), {"documents": documents})
    return [contract_of(*row) for row in rows]


def scorers_of(connection: Connection) -> list[Scorers]:
    """The scorers of all sources that have some."""
    pairs = (store.read(connection, source.name) for source in SOURCES.values() if source.teaching)
    return [pair[0] for pair in pairs if pair]
