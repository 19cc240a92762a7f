"""The telling part of a hit: where most of the query is, with its words marked.

Words are told apart here and looked up as the search looks them up (`reference_tsvector`), so what is marked is
what was found: `distributor` in `distributor/wholesaler`, `final` where the text has a ligature. The text stays.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootstrap_assets.database.connection import Database
from bootstrap_assets.database.statements import statements_of
from bootstrap_assets.texts.content import clean_text

statement = statements_of(__name__)

MARK = ("\x02", "\x03")
"""What a matched word stands between. A text may hold such a character: it is left out of a snippet."""

LONGEST = 320
"""Characters of a snippet, about."""

LOOKED_AT = 200_000
"""Characters of a text in which words are looked for, as many as the search knows of it."""

_JOINED = "\u00ad\u034f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u0300-\u036f"
_WORD = re.compile(
    r"(?:[A-Za-z]\.){2,}[A-Za-z]?|\d+(?:\.\d+)+|"
    rf"[^\W_](?:[^\W_]|[{_JOINED}])*(?:\u00ad[ \t]*\r?\n[ \t]*[^\W_]+)*"
)


@dataclass(frozen=True, slots=True)
class _Match:
    """A word of the query in a text: where it stands, and the weight of each form that it is looked for as."""

    start: int
    end: int
    weights: Mapping[str, float]


def snippets(database: Database, query: str, texts: Sequence[str]) -> list[str | None]:
    """For each text the part that holds most of the query, its words between MARK[0] and MARK[1], in one line.

    None where it holds no word of it.
    """
    texts = [text[:LOOKED_AT] for text in texts]
    matches_by_text = [list(_WORD.finditer(text)) for text in texts]
    words = sorted({match[0] for matches in matches_by_text for match in matches})
    with database.connection() as connection:
        weight_of = dict(connection.execute(statement("asked_words"), {"query": clean_text(query)}).fetchall())
        rows = connection.execute(statement("words_looked_for"), {"words": words}).fetchall() if weight_of else []
    weights = {word: {form: weight_of[form] for form in forms if form in weight_of} for word, forms in rows}
    return [
        _snippet(text, [_Match(*match.span(), weights[match[0]]) for match in matches if weights.get(match[0])])
        for text, matches in zip(texts, matches_by_text, strict=True)
    ]


def shortened(text: str, longest: int = LONGEST) -> str:
    """The beginning of a text in one line, up to a whole word."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[:longest].rpartition(" ")[0] + " …"


def _snippet(text: str, matches: Sequence[_Match]) -> str | None:
    if not matches:
        return None
    first, last = _window(matches)
    start, end = _around(text, matches[first].start, matches[last].end)
    pieces, at = [], start
    for match in matches[first : last + 1]:
        pieces += [_plain(text[at : match.start]), MARK[0], _plain(text[match.start : match.end]), MARK[1]]
        at = match.end
    line = " ".join("".join([*pieces, _plain(text[at:end])]).split())
    return ("… " if text[:start].strip() else "") + line + (" …" if text[end:].strip() else "")


def _plain(text: str) -> str:
    return text.replace(MARK[0], "").replace(MARK[1], "")


def _window(matches: Sequence[_Match]) -> tuple[int, int]:
    """First and last match of the window that says most: each word once, and a little for its repetition."""
    best, window = (-1.0, 0), (0, 0)
    first = 0
    weights_of: dict[str, list[float]] = defaultdict(list)
    for last, match in enumerate(matches):
        for word, weight in match.weights.items():
            weights_of[word].append(weight)
        while match.end - matches[first].start > LONGEST * 3 // 4 and first < last:
            for word in matches[first].weights:
                weights_of[word].pop()
            first += 1
        score = sum(
            weights[0] * (1 + 0.05 * min(len(weights) - 1, 4)) for weights in weights_of.values() if weights
        )
        if (score, matches[first].start - match.end) > best:
            best, window = (score, matches[first].start - match.end), (first, last)
    return window


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """A window widened to LONGEST: from the beginning of its sentence if that is near, to a whole word."""
    spare = max(0, LONGEST - (end - start))
    before = text[max(0, start - spare // 2) : start]
    begins = [match.end() for match in re.finditer(r"[.;:!?]\s+|\n\s*", before)]
    if len(before) == start:
        start = 0
    elif begins:
        start = start - len(before) + begins[0]
    else:
        start -= len(before.partition(" ")[2]) if " " in before else 0
    stop = start + LONGEST
    if stop >= len(text):
        return start, len(text)
    if stop <= end:
        return start, end
    return start, end + len(text[end:stop].rpartition(" ")[0])
