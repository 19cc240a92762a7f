"""SQL of any dialect, read by its words: what is created, what is called and what is read from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bootstrap_assets.repositories.languages.drafts import Draft
from bootstrap_assets.repositories.symbols import Kind, Parsed, ReferenceKind

_TOKEN = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<text>'(?:[^']|'')*(?:'|\Z))"
    r"|(?P<dollar>\$(?P<tag>\w*)\$)"
    r"|(?P<name>(?:\"(?:[^\"]|\"\")+\"|`[^`\n]+`|\[[A-Za-z_]\w*\]|[^\W\d]\w*)"
    r"(?:\s*\.\s*(?:\"(?:[^\"]|\"\")+\"|`[^`\n]+`|[^\W\d]\w*))*)"
    r"|(?P<sign>[^\s\w])",
    re.DOTALL,
)
_KINDS = {
    "table": Kind.TABLE, "view": Kind.VIEW, "function": Kind.FUNCTION, "procedure": Kind.FUNCTION,
    "index": Kind.INDEX, "trigger": Kind.TRIGGER, "type": Kind.TYPE, "schema": Kind.MODULE, "domain": Kind.TYPE,
    "aggregate": Kind.FUNCTION, "sequence": Kind.VARIABLE,
}  # fmt: skip
_BETWEEN = frozenset(
    "or replace temp temporary unlogged unique materialized global local recursive concurrently if not exists "
    "external constraint definer".split()
)
_READS = frozenset({"from", "join", "into", "update", "references", "table", "on", "using", "inherits"})
_CALLS = frozenset({"function", "procedure", "call"})
_WORDS = frozenset(
    "select where and or not in values as set with lateral only case when then else end exists any all some over "
    "partition by order group having limit offset union except intersect distinct cast coalesce nullif greatest "
    "least primary key foreign unique check default constraint returns return begin declare if elsif loop for "
    "while "
    "is null between like ilike similar row array filter within interval extract conflict do nothing".split()
)
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Token:
    """A name or sign, with its line, its column in bytes, and where it starts and ends (characters)."""

    word: str
    is_name: bool
    line: int
    start: int
    end: int


class Sql:
    """SQL."""

    name = "sql"

    def read(self, source: bytes) -> Parsed:
        """What is created, with its comment; what is called (`name(`), and what is read from or written to."""
        text = source.decode("utf-8", "replace")
        draft = Draft(self.name)
        tokens = list(_tokens(text))
        starts = [place for place, token in enumerate(tokens) if token.is_name and _is(token, "create")]
        for number, place in enumerate(starts):
            after = starts[number + 1] if number + 1 < len(starts) else len(tokens)
            self._statement(draft, text, tokens[place:after])
        for place, token in enumerate(tokens if not starts else tokens[: starts[0]]):
            self._mention(draft, text, tokens, place, token)
        return draft.finish(source.count(b"\n") + (not source.endswith(b"\n") and source != b""))

    def _statement(self, draft: Draft, text: str, tokens: list[Token]) -> None:
        kind, name = _created(tokens)
        draft.leave(tokens[0].start)
        if kind is not None and name is not None:
            last = next((one for one in tokens if one.word == ";" and one.start > name.end), tokens[-1])
            signature = " ".join(text[tokens[0].start : last.end][:_LONGEST].split())
            draft.define(
                _bare(name.word), kind, signature.partition(" AS ")[0], _comment_above(text, tokens[0].start),
                (tokens[0].line, last.line), end=tokens[-1].end + 1,
            )  # fmt: skip
        for place, token in enumerate(tokens):
            if token is not name:
                self._mention(draft, text, tokens, place, token)

    def _mention(self, draft: Draft, text: str, tokens: list[Token], place: int, token: Token) -> None:
        if not token.is_name or token.word.lower() in _WORDS | _READS | _BETWEEN or token.word.lower() in _KINDS:
            return
        before = tokens[place - 1].word.lower() if place else ""
        after = tokens[place + 1].word if place + 1 < len(tokens) else ""
        column = len(text[text.rfind("\n", 0, token.start) + 1 : token.start].encode())
        if before in _READS or before == "exists":
            draft.mention(_bare(token.word), ReferenceKind.USE, (token.line, column))
        elif after == "(" and not (before in _KINDS and before not in _CALLS):
            draft.mention(_bare(token.word), ReferenceKind.CALL, (token.line, column))


def _tokens(text: str) -> Iterator[Token]:
    """Names and signs; what stands between dollars is SQL too."""
    line, counted = 1, 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup in ("name", "sign") or match["name"]:
            line += text.count("\n", counted, match.start())
            counted = match.start()
            yield Token(match[0], match["name"] is not None, line, match.start(), match.end())


def _created(tokens: list[Token]) -> tuple[Kind | None, Token | None]:
    kind: Kind | None = None
    for token in tokens[1:12]:
        word = token.word.lower()
        if kind is None and word in _KINDS:
            kind = _KINDS[word]
        elif word not in _BETWEEN:
            return (kind, token) if kind is not None and token.is_name else (None, None)
    return None, None


def _is(token: Token, word: str) -> bool:
    return token.word.lower() == word


def _bare(name: str) -> str:
    """A name without quotes and schema, in lower case where it was not quoted."""
    last = re.split(r"\.(?=(?:[^\"]*\"[^\"]*\")*[^\"]*\Z)", name)[-1].strip()
    return last[1:-1] if last[:1] in '"`[' else last.lower()


def _comment_above(text: str, position: int) -> str:
    lines: list[str] = []
    for line in reversed(text[:position].rstrip().split("\n")):
        if not line.lstrip().startswith("--"):
            break
        lines.insert(0, line.strip().lstrip("-").strip())
    return "\n".join(lines)
