"""Tenants' documents as the labels read them: what each holds, what is missing, and what like it the corpus has.

A row for each label (`document_labels`), and a connection from each passage that has a label to the record of
that label which it is most like. What lacks it, or was read by other scorers, is read: so whatever stops it, and
whenever scorers are trained anew, the same call does what is left.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.records import NliLabel
from bootstrap_assets.database.connection import Connection, Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.documents import stages
from bootstrap_assets.documents.extraction.model import from_json
from bootstrap_assets.documents.stages import Processed
from bootstrap_assets.embedding.context import Corpus
from bootstrap_assets.errors import ConfigurationError, SchemaError, StoppedError
from bootstrap_assets.labels import likelihoods
from bootstrap_assets.labels.classification import (
    Teacher,
    Verdict,
    choice_of,
    class_of,
    confidence_in,
    every_label,
    teachers,
    verdicts_of,
)
from bootstrap_assets.labels.likelihoods import Likelihood
from bootstrap_assets.labels.pieces import Stretch, pieces_of
from bootstrap_assets.labels.quality import LIKELY
from bootstrap_assets.labels.reading import Reading, words_of
from bootstrap_assets.sources.spec import Label
from bootstrap_assets.stopping import Stop

statement = statements_of(__name__)

_log = logging.getLogger(__name__)

KIND = "label"
"""The kind of these connections: the record has a label that the passage has, as likely as `score` says."""

AT_ONCE = 100
"""Documents that are looked up together."""

_FIRST = UUID(int=0)
"""Before every document's id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one label in a document; `text` of a place is what stands there."""

    source: str
    label: str
    wording: str
    category: str | None
    hypothesis_id: int | None
    nli_label: str | None
    is_there: bool
    probability: float | None
    recall: float
    confidence: str
    places: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Work:
    """A document to read: the bytes' digest says of which version, `scorers` by what."""

    document: UUID
    version: bytes
    scorers: str


def process(corpus: Corpus, tenant: str) -> dict[str, Processed]:
    """Bring all documents of a tenant on until each is complete or failed, and read those that are complete."""
    processed = stages.process(corpus, tenant)
    read_all(corpus.database, tenant, corpus.stop)
    return processed


def read_all(database: Database, tenant: str, stop: Stop) -> int:
    """Read a tenant's documents that these scorers have not read; returns how many. Without scorers none.

    Where the extra `labels` is not installed they wait for a machine that has it, and where scorers cannot be
    read, or are of no source of ours, for others. StoppedError once `stop` is set.
    """
    count, last = 0, _FIRST
    try:
        while work := database.transact(partial(_lacking, tenant=tenant, after=last)):
            last = work[-1].document
            those = database.transact(teachers)
            some = sum(_read(database, those, each) for each in _until(stop, work))
            count += some
            if not some:  # all were replaced: the next call
                break
    except (ConfigurationError, SchemaError) as error:
        _log.warning("documents of %s wait for their labels: %s", tenant, error)
    return count


def _until(stop: Stop, work: Sequence[_Work]) -> Iterator[_Work]:
    for each in work:
        if stop.is_set():
            raise StoppedError
        yield each


def of_document(connection: Connection, document: UUID) -> list[Entry]:
    """What a document holds and what is missing in it, by label; empty before it was read."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(statement("read_labels"), {"document": document}).fetchall()


def _lacking(connection: Connection, tenant: str, after: UUID) -> list[_Work]:
    """What is to be read, in the order of ids, after one of them."""
    parameters = {"tenant": tenant, "after": after, "most": AT_ONCE}
    return [_Work(*row) for row in connection.execute(statement("documents_to_read"), parameters)]


def _read(database: Database, those: Sequence[Teacher], work: _Work) -> int:
    """Nothing is open while it reads; 0 where the document was replaced or removed meanwhile."""
    parameters = {"document": work.document, "version": work.version}
    row = database.transact(
        lambda connection: connection.execute(statement("extraction_to_read"), parameters).fetchone()
    )
    if row is None:
        return 0
    extracted = from_json(row[0])
    reading, pieces = Reading(extracted.text, extracted=extracted), pieces_of(extracted.text)
    verdicts = verdicts_of(those, reading.text, pieces)
    rows = list(_rows(those, reading, pieces, verdicts))
    likely = list(likelihoods.of_verdicts(verdicts, pieces))
    return database.transact(partial(_store, work=work, rows=rows, likely=likely))


def _store(
    connection: Connection, *, work: _Work, rows: Sequence[Mapping[str, Any]], likely: Sequence[Likelihood]
) -> int:
    parameters = {"document": work.document, "version": work.version, "scorers": work.scorers, "kind": KIND}
    if not connection.execute(statement("hold_extraction"), parameters).rowcount:
        return 0
    connection.execute(statement("forget_labels"), parameters)
    connection.execute(statement("write_labels"), parameters | {"rows": Jsonb(rows)})
    connection.execute(statement("connect_labels"), parameters)
    likelihoods.write(connection, document=work.document, scorers=work.scorers, likely=likely)
    return 1


def _rows(
    those: Sequence[Teacher], reading: Reading, pieces: Sequence[Stretch], verdicts: Sequence[Verdict]
) -> Iterator[dict[str, Any]]:
    confidence = confidence_in(words_of(reading.text))
    for teacher in those:
        for label, verdict in every_label([teacher], verdicts, teacher.kind):
            fields = (
                _of_category(label, verdict) if teacher.kind is Label.CATEGORY else _of_hypothesis(label, verdict)
            )
            yield {
                **{"source": teacher.source.name, "label": label, "confidence": confidence},
                **{"wording": verdict.scorer.wording if verdict else label},
                **{"recall": round(verdict.scorer.quality.recall, 4) if verdict else 0.0},
                **{"places": _places(reading, pieces, verdict) if verdict else []},
                **fields,
            }


def _of_category(label: str, verdict: Verdict | None) -> dict[str, Any]:
    best = round(verdict.best, 4) if verdict else None
    return {"category": label, "probability": best, "is_there": verdict is not None and verdict.best >= LIKELY}


def _of_hypothesis(label: str, verdict: Verdict | None) -> dict[str, Any]:
    choice, probability = choice_of(verdict) if verdict else (None, None)
    is_there = choice not in (None, NliLabel.NOT_MENTIONED.value)
    return {
        "hypothesis_id": int(label),
        "nli_label": choice,
        "probability": probability,
        "is_there": is_there,
    }


def _places(reading: Reading, pieces: Sequence[Stretch], verdict: Verdict) -> list[dict[str, Any]]:
    is_category = verdict.teacher.kind is Label.CATEGORY
    return [
        {
            "char_start": pieces[row][0],
            "char_end": pieces[row][1],
            "page": reading.page_at(pieces[row][0]),
            "nli_label": None if is_category else class_of(verdict.entailments[row] >= LIKELY),
            "probability": round(float(verdict.probabilities[row]), 4),
        }
        for row in verdict.evidence()
    ]
