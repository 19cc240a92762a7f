"""Cutting texts into passages: what always holds, and where the cuts fall."""

import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap_assets.texts.content import estimate_tokens
from bootstrap_assets.texts.passages import Passage, cut

WORDS = "the mill shall grind barley for each guild and pay a toll of grain at dusk unless storms delay it".split()


SHORT_WORDS = [word for word in WORDS if len(word) <= 5]  # one token each


def sentence(chance: random.Random, words: int = 18, vocabulary: list[str] = WORDS) -> str:
    return " ".join(chance.choices(vocabulary, k=words)).capitalize() + "."


def contract(chance: random.Random, sections: int = 40, joiner: str = " ") -> str:
    """Numbered sections of 3 to 12 sentences with two sub-headings each."""
    parts = []
    for number in range(1, sections + 1):
        parts.append(f"{number}. Duties of the Miller.")
        for sub in (1, 2):
            body = [sentence(chance) for _ in range(chance.randint(2, 8))]
            parts.append(f"{number}.{sub} Tolls. {' '.join(body)}")
    return joiner.join(parts)


def assert_sound(text: str, passages: list[Passage], max_tokens: int, overlap_tokens: int) -> None:
    covered, start = 0, -1
    for passage in passages:
        content = text[passage.start : passage.end]
        assert content
        assert content == content.strip()
        assert passage.tokens == estimate_tokens(content) <= max_tokens
        assert passage.start > start
        start = passage.start
        if passage.start > covered:
            assert not text[covered : passage.start].strip()
        else:
            assert estimate_tokens(text[passage.start : covered]) <= overlap_tokens
            assert passage.end > covered
        covered = passage.end
    assert not text[covered:].strip()


pieces = st.sampled_from(
    [
        "5. ",
        "5.1 Payment. ",
        "ARTICLE IV",
        "Section 5.2 ",
        "(a) ",
        "\n",
        "\n\n",
        "  ",
        " ",
        "RECITALS\n",
        ". ",
        ", ",
        "Supplier ",
        "x" * 40,
        "€ 5.10",
        "“Term” ",
        "\u2003",
        "…",
    ]
)
texts = st.one_of(st.text(max_size=300), st.lists(pieces, max_size=80).map("".join))


@settings(deadline=None)
@given(texts, st.integers(1, 40), st.integers(0, 12))
def test_passages_cover_the_text_and_keep_the_limit(text: str, max_tokens: int, overlap: int) -> None:
    overlap = min(overlap, max_tokens - 1)
    passages = cut(text, max_tokens, overlap)
    assert_sound(text, passages, max_tokens, overlap)
    assert passages == cut(text, max_tokens, overlap)
    if text.strip() and estimate_tokens(text.strip()) <= max_tokens:
        assert len(passages) == 1


def test_a_blank_text_has_no_passage() -> None:
    assert cut("") == cut(" \n\t ") == []


def test_a_short_text_is_one_passage_without_its_outer_space() -> None:
    assert cut("\n 5.1 Payment. The guild pays. \n") == [Passage(2, 30, "5 / 5.1", 10)]


def test_the_overlap_must_be_smaller_than_the_limit() -> None:
    for overlap in (-1, 10):
        with pytest.raises(ValueError, match="overlap_tokens"):
            cut("text", 10, overlap)


@pytest.mark.parametrize("run", ["x" * 5000, "7" * 5000, "§" * 5000, "word," * 1000])
def test_a_run_without_a_space_is_cut_into_full_passages(run: str) -> None:
    passages = cut(run)
    assert_sound(run, passages, 512, 48)
    assert len(passages) <= 2 * (estimate_tokens(run) // 512 + 1)


@pytest.mark.parametrize("joiner", [" ", "\n", "\n\n"])
def test_passages_are_well_filled_and_begin_at_headings(joiner: str) -> None:
    text = contract(random.Random(5), joiner=joiner)
    passages = cut(text)
    assert_sound(text, passages, 512, 48)
    assert sum(passage.tokens for passage in passages) / len(passages) > 0.55 * 512
    at_heading = [text[passage.start].isdigit() for passage in passages]
    assert sum(at_heading) / len(at_heading) > 0.9


def test_a_passage_ends_at_a_top_level_heading_once_it_is_full_enough() -> None:
    chance = random.Random(2)
    first = "1. Grain. " + " ".join(sentence(chance) for _ in range(14))
    second = "2. Toll. " + " ".join(sentence(chance) for _ in range(3))
    third = "3. Dusk. " + " ".join(sentence(chance) for _ in range(14))
    text = f"{first} {second} {third}"
    assert 0.4 * 512 < estimate_tokens(first) < 400
    assert [text[passage.start : passage.end] for passage in cut(text)] == [first, f"{second} {third}"]


def test_small_sections_are_merged() -> None:
    text = " ".join(f"{number}. Toll. The miller takes a tenth." for number in range(1, 41))
    passages = cut(text)
    assert len(passages) <= 3
    assert passages[0].tokens >= 0.4 * 512


def test_paths_follow_articles_sections_and_decimals() -> None:
    chance = random.Random(3)
    body = " ".join(sentence(chance) for _ in range(20))
    text = (
        f"This agreement is made at the mill. {body} ARTICLE IV GRAIN 4.1 Barley. {body} 4.2 Oats. {body}"
        f" ARTICLE V TOLLS {body} Section 5.1 Amount. {body} EXHIBIT B Prices. {body} 1. Flour. {body}"
    )
    starts = {text[passage.start :].split()[0:2][-1]: passage.path for passage in cut(text)}
    assert starts["agreement"] is None
    assert starts["IV"] == "ARTICLE IV"
    assert starts["Oats."] == "ARTICLE IV / 4.2"
    assert starts["V"] == "ARTICLE V"
    assert starts["5.1"] == "ARTICLE V / 5.1"
    assert starts["B"] == "EXHIBIT B"
    assert starts["Flour."] == "EXHIBIT B / 1"


def test_a_line_in_capitals_is_a_heading_until_a_number_comes() -> None:
    body = " ".join(sentence(random.Random(4)) for _ in range(20))
    text = f"RECITALS\n{body}\n\nWARRANTIES\n{body}\n\n1. Scope\n{body}\n\nMILLSTONE LLC\n{body}"
    assert [passage.path for passage in cut(text)] == ["RECITALS", "WARRANTIES", "1", "1"]


@pytest.mark.parametrize(
    "reference",
    [
        "as set out in Section 5.2 of this Agreement and",
        "as set out in Section 9.2 Of The Annex and",
        "a toll of $5.10 per sack, or 5.25 Percent, and",
        "the sum of approx. 5.5 Million groats and",
        "pursuant to ARTICLE IV Grain and",
        "under EXHIBIT C Prices and",
        "by 31 December 2019. In 2020. The",
        "as listed in paragraphs 3.1 Barley to 3.4 Oats and",
        "as provided under\n5.2 Tolls Of The Weir and",
        "a toll. 5.5 Million groats are due and",
    ],
)
def test_a_reference_or_an_amount_is_no_heading(reference: str) -> None:
    body = " ".join(sentence(random.Random(6)) for _ in range(60))
    text = f"2. Grain. The parties agree {reference} {body}"
    assert {passage.path for passage in cut(text)} == {"2"}


def test_neighbours_share_whole_sentences_where_one_section_is_split() -> None:
    text = "7. Toll. " + " ".join(sentence(random.Random(number), 12) for number in range(120))
    passages = cut(text)
    shared = [text[after.start : before.end] for before, after in pairwise(passages)]
    assert all(part.endswith(".") and part[0].isupper() for part in shared)
    assert all(0 < estimate_tokens(part) <= 48 for part in shared)


def test_a_long_sentence_is_shared_from_a_comma_on() -> None:
    chance = random.Random(8)
    text = ", ".join(" ".join(chance.choices(WORDS, k=9)) for _ in range(200))
    passages = cut(text)
    for before, after in pairwise(passages):
        assert text[: after.start].endswith(", ")
        assert 0 < estimate_tokens(text[after.start : before.end]) <= 48


@pytest.mark.parametrize("structured", [True, False])
def test_an_edit_changes_only_the_passages_near_it(structured: bool) -> None:
    chance = random.Random(9)
    # Without structure all sentences are equally long: cutting after every n-th would move all later cuts.
    equal = (sentence(chance, 18, SHORT_WORDS) for _ in range(800))
    text = contract(chance, 60) if structured else " ".join(equal)
    before = {text[passage.start : passage.end] for passage in cut(text)}
    changed = []
    for tenth in range(9):
        at = text.index(". ", len(text) * tenth // 10) + 2
        edited = f"{text[:at]}{' '.join(sentence(chance) for _ in range(5))} {text[at:]}"
        after = [edited[passage.start : passage.end] for passage in cut(edited)]
        changed.append(sum(content not in before for content in after))
    assert sum(changed) / len(changed) <= 4  # of more than forty


def test_a_very_long_contract_is_cut_in_less_than_half_a_second() -> None:
    text = contract(random.Random(1), 400)
    assert len(text) > 350_000
    times = []
    for _ in range(3):
        begun = time.process_time()
        cut(text)
        times.append(time.process_time() - begun)
    assert min(times) < 0.5


@pytest.mark.parametrize(
    "hostile", ["(" * 200_000, " ." * 100_000, "\n" * 200_000 + "x", "A" * 200_000, "5. " * 70_000]
)
def test_hostile_texts_take_linear_time(hostile: str) -> None:
    begun = time.process_time()
    assert_sound(hostile, cut(hostile), 512, 48)
    assert time.process_time() - begun < 5
