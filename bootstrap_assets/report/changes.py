"""What changed since a source's version before: counts, and some texts with the words that went and came."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import NamedTuple

import pandas as pd

from bootstrap_assets.corpus.load import CHANGE_EXCERPT
from bootstrap_assets.database.connection import Connection
from bootstrap_assets.database.statements import statements_of

statement = statements_of(__name__)

CHANGED, OTHERS = 5, 2
"""How many changed texts of a source are shown, and how many new and deleted ones each."""

CONTEXT = 14
"""Words that are shown beside a difference."""

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


class Piece(NamedTuple):
    """A stretch of text: `same` in both, `gone` or `come`; `left_out` stands for the same words on both sides."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A record that is new, deleted or changed; `pieces` say how. None of them differs where the label did."""

    source_id: str
    change: str
    granularity: str
    category: str | None
    pieces: tuple[Piece, ...]

    @property
    def in_words(self) -> bool:
        """Whether the difference is among the words that are shown."""
        return any(piece.kind in ("gone", "come") for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Changes:
    """By source: a frame of counts (granularity against change), when it was loaded, and some of the changes."""

    counts: dict[str, pd.DataFrame]
    changed_at: dict[str, datetime]
    some: dict[str, list[Change]]


def read(connection: Connection) -> Changes:
    """The changes of the last load that made any, by source; only the last step is kept."""
    columns = pd.Index(["source", "change", "granularity", "records", "changed_at"])
    rows = pd.DataFrame(connection.execute(statement("report_changes")).fetchall(), columns=columns)
    counts = {
        str(source): group.pivot_table(
            index="granularity", columns="change", values="records", aggfunc="sum", fill_value=0
        ).reindex(columns=["changed", "new", "deleted"], fill_value=0)
        for source, group in rows.groupby("source")
    }
    some: dict[str, list[Change]] = {source: [] for source in counts}
    parameters = {"changed": CHANGED, "others": OTHERS}
    for source, name, change, granularity, category, before, after in connection.execute(
        statement("report_changed_texts"), parameters
    ):
        pieces = between(_whole(before), _whole(after))
        some[source].append(Change(name, change, granularity, category, pieces))
    changed_at = {str(source): max(group["changed_at"]) for source, group in rows.groupby("source")}
    return Changes(counts, changed_at, some)


def between(before: str, after: str) -> tuple[Piece, ...]:
    """The words that went and came, with some of those beside them."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    pieces: list[Piece] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(old[i:j])))
        else:
            pieces += [Piece("gone", "".join(old[i:j]))] * (j > i) + [Piece("come", "".join(new[k:m]))] * (m > k)
    return tuple(_shortened(_joined(pieces)))


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Differences with nothing but a space or a comma between them are one: word by word is hard to read."""
    joined: list[Piece] = []
    old = new = ""
    for number, piece in enumerate(pieces):
        if piece.kind == "gone":
            old += piece.text
        elif piece.kind == "come":
            new += piece.text
        elif (old or new) and number < len(pieces) - 1 and not re.search(r"\w", piece.text):
            old, new = old + piece.text, new + piece.text
        else:
            joined += _difference(old, new)
            old = new = ""
            joined.append(piece)
    return joined + _difference(old, new)


def _difference(old: str, new: str) -> list[Piece]:
    return [Piece("gone", old)] * bool(old) + [Piece("come", new)] * bool(new)


def _shortened(pieces: list[Piece]) -> Iterator[Piece]:
    """Long stretches that are the same are cut to the words next to a difference."""
    for number, piece in enumerate(pieces):
        words = re.findall(r"\S+\s*|\s+", piece.text)
        head = words[:CONTEXT] if number else []
        tail = words[-CONTEXT:] if number < len(pieces) - 1 else []
        if piece.kind != "same" or len(words) <= len(head) + len(tail) + 4 or len(pieces) == 1:
            yield piece
            continue
        if head:
            yield Piece("same", "".join(head))
        yield Piece("left_out", " […] ")
        if tail:
            yield Piece("same", "".join(tail))


def _whole(excerpt: str | None) -> str:
    """An excerpt that is cut ends in the last whole word and an ellipsis."""
    text = excerpt or ""
    return text.rsplit(" ", 1)[0] + " …" if len(text) >= CHANGE_EXCERPT else text
