"""What a source holds, counted for people, and versions of content: equal content has equal versions.

A version says whether something changed, not how; it is a SHA-256 in hexadecimal, shortened.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from bootstrap_assets.corpus.records import INVENTED, SAMPLE
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)

VERSION_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Held:
    """The records of a source: by granularity, and by category or, where it has those, NLI label.

    `origin`: licences and authors, each with the number of documents; and whether they are invented.
    """

    by_granularity: Mapping[str, int]
    by_label: Mapping[str, int]
    origin: str = ""


def sources(connection: Connection) -> list[str]:
    """The sources that have documents, tenants' own among them."""
    return [row[0] for row in connection.execute(statement("sources"))]


def holdings(connection: Connection, source: str) -> Held:
    """Count the records of a source; labels come with the most frequent first."""
    parameters = {"source": source}
    grains, labels = (
        connection.execute(statement(f"count_{what}"), parameters) for what in ("granularities", "labels")
    )
    return Held(dict(grains.fetchall()), dict(labels.fetchall()), _origin(connection, source))


def _origin(connection: Connection, source: str) -> str:
    """`sample, invented: Apache-2.0, The authors …`; where there are several, each with its documents."""
    rows = connection.execute(statement("origins"), {"source": source, "mark": Jsonb({INVENTED: True})}).fetchall()
    origins = [
        (f"{SAMPLE}: {licence}, {authors}" if made_up else f"{licence}, {authors}", documents)
        for licence, authors, made_up, documents in rows
    ]
    return "; ".join(
        f"{what} ({documents:,} documents)" if len(origins) > 1 else what for what, documents in origins
    )


def invented(connection: Connection) -> dict[str, str]:
    """The sources that hold invented documents, with what to say of them."""
    rows = connection.execute(statement("invented_sources"), {"mark": Jsonb({INVENTED: True})})
    return {source: SAMPLE if wholly else f"in part {SAMPLE}" for source, wholly in rows}


def records_version(connection: Connection, source: str) -> str:
    """The version of a source's records: their ids, texts, places and labels."""
    row = connection.execute(statement("records_version"), {"source": source}).fetchone()
    return str(row[0])[:VERSION_LENGTH] if row else ""


def version_of(content: bytes) -> str:
    """The version of some content."""
    return hashlib.sha256(content).hexdigest()[:VERSION_LENGTH]
