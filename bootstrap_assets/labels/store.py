"""Scorers in the database: plain arrays of numbers and texts (NumPy's npz), read with pickles refused."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.errors import SchemaError
from bootstrap_assets.labels import VERSION, calibration, sections
from bootstrap_assets.labels.features import Arrays, Features
from bootstrap_assets.labels.lessons import Lesson
from bootstrap_assets.labels.quality import Quality
from bootstrap_assets.labels.scorers import Scorer, Scorers
from bootstrap_assets.sources.spec import Label, Source

statement = statements_of(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """What the scorers of a source were trained on: version of its records, splits, contracts, our code."""

    corpus: str
    splits: tuple[str, ...]
    contracts: int
    version: int
    trained_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """A scorer as it is listed; `quality` is that of `Quality`, the rest as in `Origin`."""

    source: str
    label: str
    wording: str
    quality: Mapping[str, Any]
    corpus: str
    splits: list[str]
    contracts: int
    version: int
    trained_at: datetime


def pack(arrays: Arrays) -> bytes:
    """Arrays as bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(content: bytes) -> Arrays:
    """What `pack` gave. SchemaError where it is anything else; objects are never unpickled."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SchemaError(
            f"a scorer cannot be read ({error}): `bootstrap labels train --force` trains it anew"
        ) from None


def read(connection: Connection, source: str) -> tuple[Scorers, Origin] | None:
    """The scorers of a source and what they were trained on; None where there are none."""
    rows = connection.execute(statement("read_scorers"), {"source": source}).fetchall()
    if not rows:
        return None
    (_, _, _, arrays, _, corpus, splits, *others), *rest = rows
    scorers = [_scorer(*fields[:5]) for fields in rest]
    features = Features.from_arrays(unpack(arrays))
    return Scorers(source, features, scorers), Origin(corpus, tuple(splits), *others)


def _scorer(label: str, wording: str, digest: str, content: bytes, quality: Mapping[str, Any]) -> Scorer:
    arrays = unpack(content)
    if "around" not in arrays:
        raise SchemaError(
            f"the scorer of {label!r} is of another version: `bootstrap labels train` trains it anew"
        )
    weights, reliability = calibration.from_arrays(arrays)
    return Scorer(
        label=label,
        wording=wording,
        digest=digest,
        coefficients=arrays["coefficients"].astype(np.float32),
        around=arrays["around"].astype(np.float32),
        weights=weights,
        reliability=reliability,
        quality=Quality(**quality),
        classes=arrays["classes"].astype(np.float32) if "classes" in arrays else None,
        usual=float(arrays["usual"][0]),
        sections=sections.from_arrays(arrays),
    )


def features_of(connection: Connection, source: str, digest: str) -> Features | None:
    """The features that were trained on the texts of this digest, None where those are of others."""
    row = connection.execute(statement("read_features"), {"source": source}).fetchone()
    return Features.from_arrays(unpack(row[1])) if row and row[0] == digest else None


def state(connection: Connection, source: str) -> str | None:
    """Another text as soon as a training stored scorers of a source; None where there are none."""
    row = connection.execute(statement("read_state"), {"source": source}).fetchone()
    return str(row[0]) if row else None


def lock(connection: Connection) -> None:
    """Until the transaction ends no other training stores anything."""
    connection.execute(statement("lock_training"))


def digests(connection: Connection, source: str) -> dict[str, str]:
    """What each scorer of a source was trained on, by label."""
    return dict(connection.execute(statement("read_digests"), {"source": source}).fetchall())


def write(connection: Connection, lesson: Lesson, scorers: Scorers) -> None:
    """Store the features of a lesson and scorers of it."""
    about = {"source": lesson.source, "splits": lesson.splits, "version": VERSION}
    arrays = pack(scorers.features.arrays())
    features = {"digest": lesson.digest(), "arrays": arrays, "contracts": len(lesson.contracts)}
    connection.execute(statement("write_features"), about | features)
    for scorer in scorers.scorers:
        row = {"label": scorer.label, "wording": scorer.wording, "digest": scorer.digest}
        quality = Jsonb(asdict(scorer.quality))
        connection.execute(
            statement("write_scorer"), about | row | {"arrays": _packed(scorer), "quality": quality}
        )


def _packed(scorer: Scorer) -> bytes:
    classes = {} if scorer.classes is None else {"classes": scorer.classes.astype(np.float16)}
    both = {"coefficients": scorer.coefficients, "around": scorer.around}
    arrays = {name: weights.astype(np.float16) for name, weights in both.items()}
    return pack(
        arrays
        | {"usual": np.array([scorer.usual])}
        | classes
        | calibration.arrays_of(scorer.weights, scorer.reliability)
        | sections.arrays_of(scorer.sections)
    )


def keep_only(connection: Connection, source: str, labels: list[str]) -> list[str]:
    """Delete the scorers of all other labels of a source; returns these labels."""
    rows = connection.execute(statement("delete_scorers"), {"source": source, "labels": labels}).fetchall()
    if not labels:
        connection.execute(statement("delete_features"), {"source": source})
    return [label for [label] in rows]


@dataclass(frozen=True, slots=True)
class Wording:
    """A label in words, of which it has several; `weight`: how rare its lexemes are, together."""

    source: str
    label: str
    wording: str
    category: str | None
    hypothesis_id: int | None
    lexemes: Sequence[str]
    weight: float


def wordings(connection: Connection, source: Source) -> list[Wording]:
    """How the labels that a source teaches are worded, which a query is compared with."""
    assert source.teaching
    parameters = {
        "source": source.name,
        "granularity": source.teaching.granularity.value,
        "is_category": source.teaching.label is Label.CATEGORY,
    }
    return [Wording(*row) for row in connection.execute(statement("read_wordings"), parameters)]


def put_into_words(connection: Connection, source: Source) -> None:
    """Store the wordings of a source's labels that have scorers."""
    rows = [asdict(wording) for wording in wordings(connection, source)]
    connection.execute(statement("forget_wordings"), {"source": source.name})
    connection.execute(statement("write_wordings"), {"wordings": Jsonb(rows)})


def listing(connection: Connection) -> list[Entry]:
    """All scorers."""
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(statement("list_scorers")).fetchall()


def confirm(connection: Connection, source: str, version: str) -> None:
    """Note that the scorers of a source are those of this version of its records."""
    connection.execute(statement("confirm_features"), {"source": source, "corpus": version})
