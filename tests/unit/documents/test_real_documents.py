"""The figures that extraction must reach on real documents, where those are at hand."""

import pytest

from benchmarks.extraction import DATA, bonterms_pdfs, books, cuad_contracts, word_documents

pytestmark = pytest.mark.skipif(
    not (DATA / "documents").is_dir(), reason="the real documents are not beside the checkout"
)


def test_every_labelled_clause_of_cuad_is_found_and_covered_by_passages_of_its_page() -> None:
    contracts = list(cuad_contracts())
    labels = sum(contract.labels for contract in contracts)
    assert len(contracts) == 16
    assert sum(contract.in_text_without_spaces for contract in contracts) == labels
    assert sum(contract.covered_on_the_page for contract in contracts) == labels
    # What lacks: "15th" and letter-spaced words of a table, where CUAD's text has spaces that the page has not.
    assert sum(contract.in_text for contract in contracts) >= labels - 3
    assert all(contract.similarity >= 0.999 for contract in contracts)


def test_the_structure_of_an_agreement_is_that_of_its_markdown() -> None:
    for figures in bonterms_pdfs():
        assert figures.numbers_found == figures.numbers
        assert figures.headings_found == figures.headings
        # The editions differ by four paragraphs: "a." and "(a)", and the lines of the footer.
        assert figures.paragraphs_found >= figures.paragraphs - 4


def test_no_paragraph_and_no_list_of_a_word_document_is_lost() -> None:
    for _name, paragraphs, present, lists, labels in word_documents():
        assert present == paragraphs
        assert labels >= lists


def test_a_book_comes_whole_and_in_order() -> None:
    for _name, chapters, pieces, present in books():
        assert chapters
        assert present == pieces
