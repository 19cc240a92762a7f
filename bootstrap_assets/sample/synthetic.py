"""Made-up contracts, agreements and prose objects from the grammar in `templates/`; all follow from a seed.

The texts are stitched together and make little sense as contracts; they serve tests of scale, not of quality.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice

from bootstrap_assets.sample.cuad_format import CATEGORIES, Contract
from bootstrap_assets.sample.grammar import Draw, Grammar
from bootstrap_assets.sample.nli_format import HYPOTHESES, SPLITS, Nda, segment, spans_within

GRAMMAR = Grammar("words.txt", "clauses.txt", "filler.txt", "ndas.txt")
_NAMES = tuple(CATEGORIES)
_POOL = 4096
_SIBLINGS = {
    "Cap On Liability": "Uncapped Liability",
    "Uncapped Liability": "Cap On Liability",
    "Renewal Term": "Notice Period To Terminate Renewal",
    "License Grant": "Non-Transferable License",
    "Exclusivity": "Non-Compete",
    "Termination For Convenience": "Liquidated Damages",
    "Change Of Control": "Anti-Assignment",
}
"""The other category under which a repeated text is sometimes labelled, as lawyers do."""

PROSE_FIXED = 11
"""The files of a made-up prose-object library that are not documents: base, frame, form and eight sections."""


def clause_texts(n: int, seed: int, repeat_share: float = 0.15) -> Iterator[tuple[str, str]]:
    """Yield exactly `n` pairs of (clause text, category).

    Exactly `round(n * repeat_share)` of them (but never all) repeat the text of an earlier pair, at even
    distances; all others are distinct. The same arguments give the same pairs on every machine. What is kept is a
    hash of eight bytes for each distinct text, and the last 4,096 texts, from which repeats are taken. Raises
    ValueError for a share outside 0 to 1.
    """
    if not 0 <= repeat_share <= 1:
        raise ValueError(f"repeat_share is a share between 0 and 1, not {repeat_share}")
    repeats = min(round(n * repeat_share), max(n - 1, 0))
    draw = Draw("clauses", seed)
    digests: set[bytes] = set()
    pool: list[tuple[str, str]] = []
    for index in range(n):
        if (index + 1) * repeats // n > index * repeats // n:
            text, category = draw.one(pool)
            yield text, (_SIBLINGS.get(category, category) if draw.below(2) else category)
        else:
            fresh = _fresh_clause(draw, digests)
            if len(pool) < _POOL:
                pool.append(fresh)
            else:
                pool[len(digests) % _POOL] = fresh
            yield fresh


def _fresh_clause(draw: Draw, digests: set[bytes]) -> tuple[str, str]:
    """A clause with a text not seen before, of each category in turn; if need be its number makes it distinct."""
    category = _NAMES[len(digests) % len(_NAMES)]
    for attempt in range(8):
        text = GRAMMAR.text(category, draw, _roles(draw))
        if attempt == 7:
            text += f" (Annex {len(digests) + 1})"
        digest = blake2b(text.encode(), digest_size=8).digest()
        if digest not in digests:
            break
    digests.add(digest)
    return text, category


def _roles(draw: Draw) -> dict[str, str]:
    first, _, second = GRAMMAR.text("pair", draw).partition("/")
    return {"A": first, "B": second}


class _Page:
    """A text in the making, which knows where each piece begins."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.length = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self.length += len(text)

    def __str__(self) -> str:
        return "".join(self._pieces)


def contracts(count: int, clauses_per_contract: int, seed: int, repeat_share: float) -> Iterator[Contract]:
    """Contracts with exactly that many labelled clauses each, all drawn from one run of `clause_texts`."""
    clauses = clause_texts(count * clauses_per_contract, seed, repeat_share)
    for number in range(count):
        yield _contract(number, list(islice(clauses, clauses_per_contract)), Draw("contract", seed, number))


def _contract(number: int, clauses: list[tuple[str, str]], draw: Draw) -> Contract:
    company, kind = GRAMMAR.text("company", draw), GRAMMAR.text("kind", draw)
    slug = "".join(letter for letter in company if letter.isalnum())
    page, answers = _Page(), []
    page.add(f"{kind.upper()} AGREEMENT of {company}")
    for index, (text, category) in enumerate(sorted(clauses, key=lambda clause: _NAMES.index(clause[1]))):
        section, place = divmod(index, 3)
        if place == 0:
            page.add(f"\n\n{section + 1}. {GRAMMAR.text('heading', draw)}")
            page.add(f"\n\n{section + 1}.1 {GRAMMAR.text('sentence', draw)}")
        page.add(f"\n\n{section + 1}.{place + 2} ")
        answers.append((category, page.length, page.length + len(text)))
        page.add(text)
    title = f"{slug}_{20000000 + number:08d}_EX-10.{1 + draw.below(40)}_{kind} Agreement"
    return Contract(title, str(page), tuple(answers), {})


def ndas(count: int, split: str, seed: int) -> Iterator[Nda]:
    """The agreements of one split: of ten, one goes to dev, two to test and seven to train."""
    for number in range(count):
        if _split(number) == split:
            yield _nda(number, Draw("nda", seed, number))


def _split(number: int) -> str:
    return {0: "dev", 1: "test", 2: "test"}.get(number % 10, SPLITS[0])


def _nda(number: int, draw: Draw) -> Nda:
    """One sentence of evidence for each hypothesis that the agreement speaks about; its span is found by place."""
    page, places = _Page(), {}
    values = _roles(draw) | {"product": GRAMMAR.text("product", draw).lower()}
    page.add("AGREEMENT ON CONFIDENTIAL MATTERS")
    for paragraph, hypothesis in enumerate(HYPOTHESES, 1):
        page.add(f"\n{paragraph}. {GRAMMAR.text('neutral', draw, values)}")
        sign = draw.one("+++++--   ").strip()
        if sign:
            page.add(" ")
            start = page.length
            page.add(GRAMMAR.text(f"{sign}{hypothesis}", draw, values))
            places[hypothesis] = ("Entailment" if sign == "+" else "Contradiction", start, page.length)
    return _with_annotations(number, str(page), places)


def _with_annotations(number: int, text: str, places: dict[int, tuple[str, int, int]]) -> Nda:
    spans = segment(text)
    choices: dict[int, tuple[str, tuple[int, ...]]] = dict.fromkeys(HYPOTHESES, ("NotMentioned", ()))
    for hypothesis, (choice, start, end) in places.items():
        choices[hypothesis] = (choice, spans_within(spans, start, end))
    return Nda(number, f"agreement-{number:06d}.pdf", text, spans, choices)


def agreement(number: int, seed: int) -> tuple[str, list[tuple[str, bytes]]]:
    """A repository with one numbered agreement, in one of the two styles of numbering, and a README."""
    draw = Draw("agreement", seed, number)
    kind = GRAMMAR.text("kind", draw).replace(" ", "-")
    name = f"{GRAMMAR.text('first', draw)}-{kind}-Terms-{number:05d}"
    write = _bullets if number % 2 else _decimal
    sections = [
        write(place, GRAMMAR.text("heading", draw), [_clause(draw) for _ in range(2 + draw.below(4))])
        for place in range(1, 9 + draw.below(8))
    ]
    text = f"# {name.replace('-', ' ')} (Version 1.{draw.below(9)})\n\n" + "\n".join(sections)
    return name, [(f"{name}.md", text.encode()), ("README.md", f"# {name}\nMade up from a seed.\n".encode())]


def _clause(draw: Draw) -> str:
    return GRAMMAR.text(_NAMES[7 + draw.below(len(_NAMES) - 7)], draw, _roles(draw))


def _bullets(section: int, heading: str, clauses: Sequence[str]) -> str:
    points = (
        f"   - ({letter}) _Point {letter}_. {text}\n" for letter, text in zip("abcdef", clauses, strict=False)
    )
    return f"{section}. **{heading}**.\n\n" + "\n".join(points)


def _decimal(section: int, heading: str, clauses: Sequence[str]) -> str:
    points = (f"**{section}.{point}.** Point {point}. {text}\n" for point, text in enumerate(clauses, 1))
    return f"**{section}. {heading}**.\n\n" + "\n".join(points)


def prose_objects(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """A library of `count` files, of which all but `PROSE_FIXED` are documents that override keys of one form."""
    draw = Draw("prose", seed)
    sections = range(1, 9)
    body = "".join(f"<li>{{S{section}.Sec}}</li>" for section in sections)
    files = {
        "G/Z/Base": "Sec=<b>{Ti}.</b> {sec}\n",
        "G/AgtForm/Frame/0.md": f"Model.Root=<h1>{{Doc.Ti}}</h1><ol>{body}</ol>\n",
        "G/NW-NDA/Form/0.md": "\n".join(
            [
                "Doc.Ti=Agreement about {Purpose}",
                *(f"S{section}.=[G/Agt-NDA/Part/S{section}]" for section in sections),
                "=[G/AgtForm/Frame]\n",
            ]
        ),
    }
    for section in sections:
        values = f"Ti={GRAMMAR.text('heading', draw)}\nsec={_prose(draw)}\n"
        files[f"G/Agt-NDA/Part/S{section}.md"] = f"{values}=[G/Z/Base]\n"
    for name, text in files.items():
        yield name, text.encode()
    for number in range(count - PROSE_FIXED):
        yield f"G/Agt-NDA/Demo/{number // 1000:04d}/{number:07d}.md", _demo(Draw("demo", seed, number)).encode()


def _prose(draw: Draw) -> str:
    """Two sentences on two hypotheses, with placeholders for the parties."""
    parties = {"A": "{P1.Handle}", "B": "{P2.Handle}"}
    return " ".join(
        GRAMMAR.text(f"{draw.one('+-')}{draw.one(tuple(HYPOTHESES))}", draw, parties) for _ in range(2)
    )


def _demo(draw: Draw) -> str:
    first = draw.below(8)
    lines = [
        f"P1.Handle={GRAMMAR.text('company', draw)}",
        f"P2.Handle={GRAMMAR.text('company', draw)}",
        "=[G/NW-NDA/Form/0.md]",
        f"Purpose={GRAMMAR.text('product', draw).lower()} at {GRAMMAR.text('place', draw)}",
        *(f"S{1 + (first + step) % 8}.sec={_prose(draw)}" for step in (0, 2, 5)),
    ]
    return "\n\n".join(lines) + "\n"
