"""Passages of a tenant's document: what always holds, and what stays when the document changes."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap_assets.documents.extraction.model import ExtractedDocument
from bootstrap_assets.documents.extraction.reading import extract_bytes
from bootstrap_assets.documents.passages import Passage, passages_of
from bootstrap_assets.sample.documents.make import documents
from bootstrap_assets.texts.content import content_hash

DOCUMENT = UUID(int=7)


def passages(content: str | bytes, limit: int = 60) -> tuple[ExtractedDocument, list[Passage]]:
    content = content.encode() if isinstance(content, str) else content
    document = extract_bytes(content, "", "")
    return document, passages_of(document, DOCUMENT, max_tokens=limit, overlap_tokens=8)


@pytest.mark.parametrize("name", sorted(documents()))
def test_passages_are_stretches_of_the_text_and_hold_all_of_it(name: str) -> None:
    document, cut = passages(documents()[name])
    covered = set()
    for passage in cut:
        assert document.text[passage.char_start : passage.char_end] == passage.content
        assert passage.content_hash == content_hash(passage.content)
        covered |= set(range(passage.char_start, passage.char_end))
    assert all(letter.isspace() for place, letter in enumerate(document.text) if place not in covered)
    assert len({passage.id for passage in cut}) == len(cut)


def test_a_passage_knows_its_page_box_and_section() -> None:
    _document, cut = passages(documents()["supply-agreement.pdf"])
    passage = next(passage for passage in cut if "twelve months" in passage.content)
    assert (passage.page, passage.section_path) == (2, "4 Cap on liability")
    assert passage.box
    assert passage.box[1] < passage.box[3]
    assert {passage.page for passage in cut} == {1, 2}


def test_a_passage_knows_its_chapter_and_paragraph() -> None:
    _document, cut = passages(documents()["supplier-handbook.epub"])
    passage = next(passage for passage in cut if "a supplier's books" in passage.content)
    assert (passage.chapter, passage.href) == (2, "book/chapter-2.xhtml")
    assert passage.paragraph is not None
    assert passage.section_path is not None
    assert passage.section_path.startswith("What we expect / ")


CLAUSES = [f"{number}. Clause {'abcdefghijklmnop'[number]}. " + f"word{number} " * 60 for number in range(1, 13)]


def test_the_same_document_gives_the_same_ids_and_another_gives_others() -> None:
    document, cut = passages("\n\n".join(CLAUSES), 120)
    assert passages_of(document, DOCUMENT, max_tokens=120, overlap_tokens=8) == cut
    others = passages_of(document, uuid4(), max_tokens=120, overlap_tokens=8)
    assert not {passage.id for passage in cut} & {passage.id for passage in others}


def test_an_inserted_clause_leaves_the_ids_of_all_others() -> None:
    _document, before = passages("\n\n".join(CLAUSES), 120)
    _document, after = passages("\n\n".join([*CLAUSES[:4], "4a. New. " + "fresh " * 60, *CLAUSES[4:]]), 120)
    lost = {passage.id for passage in before} - {passage.id for passage in after}
    assert len(lost) <= 3
    moved = {passage.id: passage.char_start for passage in before}
    assert any(moved.get(passage.id, passage.char_start) != passage.char_start for passage in after)


def test_equal_passages_are_told_apart_by_their_order() -> None:
    clause = "The same words stand here again and again, as they do in many a schedule. " * 6
    _document, cut = passages("\n\n".join([clause.strip()] * 4), 160)
    contents = [passage.content for passage in cut]
    assert len(set(contents)) < len(contents)
    assert len({passage.id for passage in cut}) == len(cut)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: any(map(str.isalpha, text))))
def test_whatever_the_text_the_passages_are_stretches_of_it(text: str) -> None:
    document = extract_bytes(b"\xef\xbb\xbf# x\n\n" + text.encode(), "", "")
    for passage in passages_of(document, DOCUMENT, max_tokens=20, overlap_tokens=4):
        assert document.text[passage.char_start : passage.char_end] == passage.content
