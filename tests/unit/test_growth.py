"""What grows with an archive grows in step with it: four times the input, four times the work, and not sixteen.

Counted is not time but what runs: the calls that the interpreter reports, or the lines.
"""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap_assets.corpus.overlaps import most_shared
from bootstrap_assets.corpus.records import Granularity, Record
from bootstrap_assets.corpus.staging import _around
from bootstrap_assets.sources.bonterms import source as bonterms
from bootstrap_assets.sources.bonterms.agreement_markdown import to_blocks
from bootstrap_assets.sources.commonaccord import files
from bootstrap_assets.sources.commonaccord import source as commonaccord
from bootstrap_assets.sources.cuad import answers as cuad_answers
from bootstrap_assets.sources.sections import UniqueIds
from bootstrap_assets.texts.passages import cut

LINEAR = 5.5
"""Four times as much work, with a logarithm and some to spare; quadratic would be 16."""

SMALL = 100


def calls(work: Callable[[], object]) -> int:
    """How many calls of functions, in Python or built in, some work takes."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def growth(prepare: Callable[[int], Callable[[], object]]) -> float:
    small, large = prepare(SMALL), prepare(4 * SMALL)
    small()  # caches are filled
    return calls(large) / calls(small)


def sections(count: int, shape: str) -> list[Record]:
    spans = {
        "in a row": [(10 * n, 10 * n + 10) for n in range(count)],
        "nested": [(n, 4 * count - n) for n in range(count)],
        "all alike": [(0, 10)] * count,
    }[shape]
    made = []
    for number, (start, end) in enumerate(spans):
        for kind in (Granularity.SECTION, Granularity.CLAUSE):
            name = f"{kind}{number}"
            made.append(Record("s", name, uuid4(), kind, "", char_start=start, char_end=end))
    return made


@pytest.mark.parametrize("shape", ["in a row", "nested", "all alike"])
def test_the_sections_around_records_are_found_without_comparing_each_with_each(shape: str) -> None:
    def prepare(count: int) -> Callable[[], object]:
        records = sections(count, shape)
        return lambda: _around(records)

    assert growth(prepare) < LINEAR


def one_by_one(stretch: tuple[int, int], among: list[tuple[int, int]]) -> int | None:
    """The definition: the first of those that share most, if any shares something."""
    shared = [(min(stretch[1], end) - max(stretch[0], start), number) for number, (start, end) in enumerate(among)]
    most, number = max(shared, key=lambda pair: pair[0], default=(0, None))
    return number if most > 0 else None


stretches = st.lists(st.tuples(st.integers(-2, 14), st.integers(-2, 14)), max_size=9)


@given(stretches, stretches)
def test_what_shares_most_is_what_the_definition_says(asked: list[tuple[int, int]], among: Any) -> None:
    assert most_shared(asked, among) == [one_by_one(stretch, among) for stretch in asked]


def test_a_thousand_equal_ids_are_numbered_without_trying_all_before() -> None:
    def steps(count: int) -> int:
        ids, steps = UniqueIds(), 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal steps
            steps += event == "line"
            return trace

        sys.settrace(trace)
        try:
            for _ in range(count):
                ids.take("the same")
        finally:
            sys.settrace(None)
        return steps

    before = sys.gettrace()
    try:
        assert steps(4 * SMALL) / steps(SMALL) < LINEAR
    finally:
        sys.settrace(before)


@given(st.lists(st.sampled_from(["a", "a~2", "a~3", "a~2~2", "b"]), max_size=40))
def test_ids_are_those_that_trying_all_before_would_give(wanted: list[str]) -> None:
    ids, given_ids = UniqueIds(), set[str]()
    for name in wanted:
        free, count = name, 1
        while free in given_ids:
            count += 1
            free = f"{name}~{count}"
        given_ids.add(free)
        assert ids.take(name) == free


@given(st.text("ab \n", max_size=40), st.text("ab \n", min_size=1, max_size=6), st.integers(0, 40))
def test_an_answer_is_found_where_a_pattern_of_its_words_would_find_it(text: str, answer: str, start: int) -> None:
    import re

    found = list(cuad_answers._loosely(text, answer))
    pattern = re.compile(r"\s+".join(map(re.escape, answer.split())))
    assert found == ([match.span() for match in pattern.finditer(text)] if answer.strip() else [])


def repositories(folder: Path, count: int) -> Path:
    path = folder / f"{count}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            text = f"# Terms {number}\n\n1. **A**. One.\n\n2. **B**. Two.\n"
            archive.writestr(f"X-main/{number}.md", text)
    return path


def test_an_archive_of_many_agreements_is_read_once(tmp_path: Path) -> None:
    def prepare(count: int) -> Callable[[], object]:
        path = repositories(tmp_path, count)
        return lambda: list(bonterms.parse([path], {}))

    assert growth(prepare) < LINEAR


def test_a_chain_of_includes_is_chosen_in_one_walk() -> None:
    def prepare(count: int) -> Callable[[], object]:
        texts = {f"{number}": f"=[{number + 1}]" for number in range(count)}
        return lambda: files.selection(commonaccord.Library(texts, texts.__getitem__), ["**"])

    assert growth(prepare) < LINEAR


@pytest.mark.parametrize(
    "unit", ["a wrapped line\n", "(a) x;\n", "1. x.\n", '"Foo" means bar.\n', "- (a) x\n", "lower line of text\n"]
)
def test_a_long_paragraph_of_markdown_is_joined_once(unit: str) -> None:
    def prepare(count: int) -> Callable[[], object]:
        return lambda: to_blocks(unit * count)

    assert growth(prepare) < LINEAR


@pytest.mark.parametrize(
    "text",
    [
        "x" + " " * 60_000 + "y",
        "# x" + " " * 60_000 + "y",
        "x\n" + "\t" * 60_000 + "<br",
        "#" * 60_000,
        "x" + "\n" * 60_000,
        "(a) " * 20_000,
        "<!--" * 20_000,
    ],
    ids=["spaces", "a heading with spaces", "tabs before a tag", "hashes", "line feeds", "letters", "comments"],
)
@pytest.mark.timeout(20)
def test_runs_of_one_sign_are_gone_through_once(text: str) -> None:
    """Quadratic, each of these takes minutes; the limit of time only ends that."""
    to_blocks(text)
    cut(text)
