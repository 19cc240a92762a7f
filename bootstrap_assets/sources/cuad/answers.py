"""CUAD's answers: where an answer really stands in its contract, and the normalised answers of the CSV."""

import csv
import io
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate

from bootstrap_assets.sources.cuad.contracts import canonical
from bootstrap_assets.sources.text_encoding import Decoded, decode
from bootstrap_assets.texts.content import clean_text

_ANSWER_COLUMN = re.compile(r"(.+?)\s*-\s*answer\s*", re.IGNORECASE)
_LARGEST_CELL = 16 * 1024**2


def locate(text: str, answer: str, start: int | None) -> tuple[int, int] | None:
    """The offsets of an answer in a text: where it says if that is true, else its occurrence nearest to there.

    If it occurs nowhere to the letter, white space of any length counts as equal. None if it is not there.
    """
    hint = max(start or 0, 0)
    if start == hint and text.startswith(answer, hint):
        return hint, hint + len(answer)
    after = text.find(answer, hint)
    before = text.rfind(answer, 0, hint + len(answer))
    places = [at for at in (before, after) if at >= 0]
    if places:
        best = min(places, key=lambda at: abs(at - hint))
        return best, best + len(answer)
    return min(_loosely(text, answer), key=lambda span: abs(span[0] - hint), default=None)


def _loosely(text: str, answer: str) -> Iterator[tuple[int, int]]:
    """Where an answer occurs if white space of any length counts as one space; in time linear in the text."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    starts = list(accumulate((end - start + 1 for start, end in words), initial=0))
    flat, needle = " ".join(text[start:end] for start, end in words), " ".join(answer.split())

    def position(at: int) -> int:
        word = bisect_right(starts, at) - 1
        return words[word][0] + at - starts[word]

    at = flat.find(needle) if needle else -1
    while at >= 0:
        yield position(at), position(at + len(needle) - 1) + 1
        at = flat.find(needle, at + len(needle))


class NormalisedAnswers:
    """The table master_clauses.csv: for each contract, by file name, an answer per category.

    File names differ from the titles in case, spaces, suffix and signs ("SALES & MARKETING.PDF" is the contract
    "SALES _ MARKETING"), so they are compared by their letters and digits where they are not equal.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, dict[str, str], str]] = []

    def add(self, content: bytes, place: str) -> Decoded:
        """Take in a table, as spreadsheets save it: parted by commas, semicolons or tabs; says how it was read.

        Raises csv.Error or UnknownEncoding if it is unreadable.
        """
        table = decode(content)
        text = clean_text(table.text)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        limit = csv.field_size_limit(_LARGEST_CELL)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        finally:
            csv.field_size_limit(limit)
        header = rows[0] if rows else []
        columns = {
            index: canonical(match[1])
            for index, name in enumerate(header)
            if (match := _ANSWER_COLUMN.fullmatch(name.strip()))
        }
        for number, row in enumerate(rows[1:], start=2):
            if row and row[0].strip():
                answers = {
                    category: row[index].strip()
                    for index, category in columns.items()
                    if index < len(row) and row[index].strip()
                }
                self._rows.append((row[0].strip(), answers, f"{place}, row {number}"))
        return table._replace(text="")

    def by_title(self, titles: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[tuple[str, str]]]:
        """The answers for each title, and (file name, place) of the rows that belong to none of them."""
        exact = set(titles)
        loose: dict[str, set[str]] = defaultdict(set)
        for title in exact:
            loose[_letters(title)].add(title)
        matches: dict[str, dict[str, str]] = {}
        misses: list[tuple[str, str]] = []
        for name, answers, place in self._rows:
            stem = re.sub(r"\.(pdf|txt|docx?|html?)\Z", "", name, flags=re.IGNORECASE)
            candidates = {stem} & exact or loose.get(_letters(stem), set())
            if len(candidates) != 1:
                misses.append((name, place))
                continue
            title = next(iter(candidates))
            matches[title] = {**answers, **matches.get(title, {})}
        return matches, misses


def _letters(name: str) -> str:
    return "".join(word for word in re.findall(r"[^\W_]+", name.casefold()) if word != "and")
