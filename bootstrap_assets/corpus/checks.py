"""Is the corpus right? Plain questions to the database; each answer is a small value that names what is wrong.

They change nothing, may be asked at any time, and know nothing of who asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.texts.content import content_hash

statement = statements_of(__name__)

EXAMPLES = 10
"""How many of the offenders a check names."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Records that should be in the corpus against those that are; ids of those that are missing or too many.

    `same`: whether those stored are those that were parsed, in place, labels and text. `is_known`: whether it is
    known what was parsed; after an upgrade it may not be, until the next load.
    """

    expected: int
    stored: int
    same: bool = True
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    is_known: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is lost, and nothing there that should not be."""
        return (
            self.is_known and self.same and self.expected == self.stored and not self.missing and not self.surplus
        )


def lost(connection: Connection, source: str, manifest: Mapping[UUID, str] | None = None) -> Lost:
    """Compare a source's records with what the load wrote down, or record by record with a manifest.

    What the parser yielded at the last load is compared with what is there now, by number and digest. `manifest`:
    ids of the records that the archives hold, with their source ids; they take the place of the number.
    """
    row = connection.execute(statement("stored_manifest"), {"source": source}).fetchone()
    expected, there, same, is_known = row or (0, 0, True, True)
    if manifest is None:
        return Lost(expected, there, same, is_known=is_known)
    rows = connection.execute(statement("stored_records"), {"source": source})
    stored: dict[UUID, str] = dict(rows.fetchall())
    return Lost(
        len(manifest),
        len(stored),
        same,
        missing=tuple(sorted(name for id_, name in manifest.items() if id_ not in stored)),
        surplus=tuple(sorted(name for id_, name in stored.items() if id_ not in manifest)),
    )


def loaded_from(connection: Connection, source: str) -> str | None:
    """The fingerprint of what a source's records were parsed from; None where nothing is known to be loaded."""
    row = connection.execute(statement("loaded_from"), {"source": source}).fetchone()
    return row[0] if row else None


@dataclass(frozen=True, slots=True)
class Labels:
    """How many records carry each label, and the expected labels that none carries."""

    records: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def labels(connection: Connection, source: str, expected: Iterable[str]) -> Labels:
    """The labels of a source: categories, or numbers of hypotheses where it has those."""
    rows = connection.execute(statement("present_labels"), {"source": source})
    present: dict[str, int] = dict(rows.fetchall())
    return Labels(present, tuple(label for label in expected if label not in present))


@dataclass(frozen=True, slots=True)
class Offsets:
    """Records with a place in their document, and source ids of those whose text is not what stands there."""

    checked: int
    wrong: tuple[str, ...] = ()


def offsets(connection: Connection, source: str) -> Offsets:
    """Whether document.raw_text[char_start:char_end] is each record's content, character by character.

    A document is read once and compared by hash: SQL would unpack a whole contract for each of its clauses.
    """
    checked, wrong = 0, []
    with connection.cursor(name="offsets") as cursor:
        cursor.itersize = 20
        cursor.execute(statement("offsets_by_document"), {"source": source})
        for text, names, starts, ends, hashes in cursor:
            for name, start, end, digest in zip(names, starts, ends, hashes, strict=True):
                checked += 1
                if content_hash(text[start:end]) != digest:
                    wrong.append(name)
    return Offsets(checked, tuple(sorted(wrong)))
