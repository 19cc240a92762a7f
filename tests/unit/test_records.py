from hypothesis import given
from hypothesis import strategies as st

from bootstrap_assets.corpus.records import Document, Granularity, Record
from bootstrap_assets.texts.content import clean_text, content_hash, estimate_tokens


def document(source: str = "cuad", source_id: str = "Lease") -> Document:
    return Document(source, source_id, "Lease", "text", "CC0", "nobody", "https://example.invalid/")


def test_an_id_comes_from_source_and_source_id_alone() -> None:
    one = Record("cuad", "Lease#1", document().id, Granularity.CLAUSE, "Rent is due.")
    other = Record("cuad", "Lease#1", document().id, Granularity.SECTION, "Another text.", 3, 7)
    assert one.id == other.id
    assert one.id != Record("bonterms", "Lease#1", document().id, Granularity.CLAUSE, "Rent is due.").id


def test_ids_are_the_same_in_every_release() -> None:
    assert str(document().id) == "1edf5827-b449-5fd2-9e19-0f4a7ccdbc43"


def test_a_document_and_a_record_of_one_source_id_have_different_ids() -> None:
    record = Record("cuad", "Lease", document().id, Granularity.CLAUSE, "text")
    assert record.id != document().id


@given(st.text(alphabet=st.characters()))
def test_cleaning_keeps_every_offset_and_makes_the_text_storable(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned) == len(text)
    assert "\x00" not in cleaned
    cleaned.encode()


def test_nul_and_lone_surrogates_become_replacement_characters() -> None:
    assert clean_text("a\x00b\ud800c") == "a\ufffdb\ufffdc"


def test_a_content_hash_is_the_sha256_of_the_text() -> None:
    digest = content_hash("Rent is due.")
    assert digest.hex() == "85688e5ad7aa483031045a393a9f0e6849d39a0a8f5c106c4ed2cdde1eaec059"


def test_tokens_are_estimated_on_the_high_side() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("The Supplier shall indemnify the Buyer.") == 9
    assert estimate_tokens("租金到期") == 4


@given(st.text(), st.text())
def test_estimated_tokens_of_two_texts_are_no_fewer_than_of_one(one: str, other: str) -> None:
    assert estimate_tokens(one + " " + other) >= estimate_tokens(one)
