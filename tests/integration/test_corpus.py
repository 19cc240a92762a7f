"""The records stage: merging, ids, deletes, the guard, all or nothing."""

import random
import string
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from bootstrap_assets.corpus import load as corpus
from bootstrap_assets.corpus import settlement
from bootstrap_assets.corpus.load import Loaded
from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Record, Severity
from bootstrap_assets.corpus.scope import Scope
from bootstrap_assets.database.connection import Database
from bootstrap_assets.errors import FormatError, MassDeleteError
from tests.made_up_source import contracts, parsed_document

Entry = ParsedDocument | Finding


def parsed(documents: dict[str, dict[str, str]], source: str = "made_up") -> list[Entry]:
    return [parsed_document(source, title, clauses) for title, clauses in documents.items()]


def load(
    database: Database, entries: Iterable[Entry], *, source: str = "made_up", allow_deletes: bool = False
) -> Loaded:
    with database.connection() as connection:
        loaded = corpus.load(connection, entries, Scope(source), allow_deletes=allow_deletes)
    settlement.settle(database)
    return loaded


def column(database: Database, query: str) -> list[object]:
    with database.connection() as connection:
        return [row[0] for row in connection.execute(query).fetchall()]


def test_documents_records_and_texts_are_stored(database: Database) -> None:
    loaded = load(database, parsed(contracts(10)))
    assert (loaded.documents, loaded.records, loaded.new) == (10, 40, 40)
    assert loaded.by_granularity == {"clause": 30, "document": 10}
    assert column(database, "SELECT count(*) FROM reference_texts") == [40]


def test_offsets_of_records_point_at_their_text(database: Database) -> None:
    load(database, parsed(contracts(10)))
    wrong = """SELECT count(*) FROM reference_records r JOIN reference_texts t USING (content_hash)
               JOIN reference_documents d ON d.id = r.document_id
               WHERE substr(d.raw_text, char_start + 1, char_end - char_start) <> t.content"""
    assert column(database, wrong) == [0]


def test_one_text_under_two_labels_is_two_records_and_one_text(database: Database) -> None:
    load(database, parsed({"A": {"Parties": "Same words.", "Cap": "Same words."}}))
    assert column(database, "SELECT category FROM reference_records WHERE granularity = 'clause' ORDER BY 1") == [
        "Cap",
        "Parties",
    ]
    assert column(database, "SELECT count(*) FROM reference_texts WHERE content = 'Same words.'") == [1]


def test_loading_the_same_again_changes_nothing(database: Database) -> None:
    load(database, parsed(contracts(10)))
    rows = "SELECT (id, xmin, ctid)::text FROM reference_records ORDER BY id"
    before = column(database, rows)
    again = load(database, parsed(contracts(10)))
    assert (again.new, again.changed, again.deleted, again.texts_new) == (0, 0, 0, 0)
    assert again.unchanged == 40
    assert column(database, rows) == before


def test_a_changed_text_keeps_the_record_s_id(database: Database) -> None:
    documents = contracts(10)
    load(database, parsed(documents))
    ids = "SELECT id::text FROM reference_records WHERE source_id = 'Contract 3__Category 1'"
    before = column(database, ids)
    documents["Contract 3"]["Category 1"] = "Quite another clause."
    changed = load(database, parsed(documents))
    assert (changed.new, changed.changed, changed.deleted) == (0, 3, 0)  # the clause, the one after, the whole
    assert column(database, ids) == before
    assert column(database, "SELECT count(*) FROM reference_texts") == [40]


def test_a_vanished_record_goes_with_its_text(database: Database) -> None:
    documents = contracts(10)
    load(database, parsed(documents))
    del documents["Contract 3"]
    loaded = load(database, parsed(documents))
    assert (loaded.deleted, loaded.records, loaded.documents) == (4, 36, 9)
    assert column(database, "SELECT count(*) FROM reference_texts") == [36]


def test_a_text_that_another_source_needs_stays(database: Database) -> None:
    shared = {"A": {"Cap": "Shared words."}}
    load(database, parsed(shared | contracts(10)))
    load(database, parsed(shared, "other"), source="other")
    load(database, parsed(contracts(10)))
    assert column(database, "SELECT source FROM reference_records WHERE category = 'Cap'") == ["other"]
    assert column(database, "SELECT count(*) FROM reference_texts WHERE content = 'Shared words.'") == [1]


def test_losing_a_fifth_is_allowed_and_losing_more_is_not(database: Database) -> None:
    documents = contracts(10)
    load(database, parsed(documents))
    load(database, parsed(dict(list(documents.items())[:8])))
    with pytest.raises(MassDeleteError, match=r"8 of the 32 .*--allow-deletes"):
        load(database, parsed(dict(list(documents.items())[:6])))
    assert column(database, "SELECT count(*) FROM reference_records") == [32]
    load(database, parsed(dict(list(documents.items())[:6])), allow_deletes=True)
    assert column(database, "SELECT count(*) FROM reference_records") == [24]


def test_an_empty_parse_deletes_nothing(database: Database) -> None:
    load(database, parsed(contracts(10)))
    with pytest.raises(MassDeleteError):
        load(database, [])
    assert column(database, "SELECT count(*) FROM reference_records") == [40]


def test_a_parse_that_breaks_half_way_leaves_the_source_as_it_was(database: Database) -> None:
    load(database, parsed(contracts(10)))

    def breaking() -> Iterator[Entry]:
        yield from parsed({"New": {"Cap": "New words."}})
        raise FormatError("cut off")

    with pytest.raises(FormatError):
        load(database, breaking())
    assert column(database, "SELECT count(*) FROM reference_records") == [40]
    assert column(database, "SELECT count(*) FROM reference_texts WHERE content = 'New words.'") == [0]


def test_readers_see_the_old_source_until_the_new_one_is_complete(database: Database) -> None:
    load(database, parsed(contracts(10)))
    seen: list[object] = []

    def watched() -> Iterator[Entry]:
        for entry in parsed(contracts(12)):
            yield entry
            seen.append(column(database, "SELECT count(*) FROM reference_records")[0])

    load(database, watched())
    assert set(seen) == {40}
    assert column(database, "SELECT count(*) FROM reference_records") == [48]


def test_two_entries_with_one_id_are_an_error_that_names_the_source(database: Database) -> None:
    with pytest.raises(FormatError, match="made_up: two entries have one id"):
        load(database, parsed({"A": {"Cap": "One."}}) + parsed({"A": {"Cap": "Two."}}))


def test_a_very_long_title_does_not_break_an_index(database: Database) -> None:
    noise = "".join(random.Random(7).choices(string.printable, k=6_000))
    load(database, parsed({noise: {"Cap": "One."}, noise + "x": {"Cap": "Two."}}))
    assert column(database, "SELECT max(length(source_id)) FROM reference_records") == [500]
    assert column(database, "SELECT count(DISTINCT source_id) FROM reference_documents") == [2]


def test_errors_become_failures_and_are_resolved_when_they_do_not_come_again(database: Database) -> None:
    broken = {"A": {"Cap": "BROKEN", "Parties": "Fine."}} | contracts(10)
    assert load(database, parsed(broken)).errors == 1
    failures = "SELECT source_id || ' ' || class FROM bootstrap_failures WHERE resolved_at IS NULL"
    assert column(database, failures) == ["Cap broken"]
    load(database, parsed(broken))
    assert column(database, "SELECT attempts FROM bootstrap_failures") == [2]
    load(database, parsed({"A": {"Cap": "Mended.", "Parties": "Fine."}} | contracts(10)))
    assert column(database, failures) == []


def test_warnings_are_those_of_the_last_parse(database: Database) -> None:
    warning = Finding("made_up", Severity.WARNING, "odd", "something odd", "file.json", "A")
    assert load(database, [*parsed(contracts(2)), warning]).warnings == 1
    assert column(database, "SELECT kind FROM bootstrap_findings") == ["odd"]
    load(database, parsed(contracts(2)))
    assert column(database, "SELECT kind FROM bootstrap_findings") == []


def changes(database: Database) -> dict[object, tuple[object, ...]]:
    query = "SELECT source_id, change, category, before, after FROM reference_changes"
    with database.connection() as connection:
        return {row[0]: tuple(row[1:]) for row in connection.execute(query).fetchall()}


def test_what_a_new_version_changed_is_kept_with_both_texts(database: Database) -> None:
    load(database, parsed({"A": {"Cap": "One year.", "Law": "Norway."}, "B": {"Cap": "None."}}))
    assert changes(database) == {}  # a first load changes nothing
    load(
        database,
        parsed({"A": {"Cap": "Two years.", "Law": "Norway."}, "C": {"Cap": "All."}}),
        allow_deletes=True,
    )
    told = changes(database)
    assert told["A__Cap"] == ("changed", "Cap", "One year.", "Two years.")
    assert told["C__Cap"] == ("new", "Cap", None, "All.")
    assert told["B__Cap"] == ("deleted", "Cap", "None.", None)
    assert "A__Law" not in told
    assert told["A#document"] == ("changed", None, None, None)


def test_changes_are_those_of_the_last_version_that_changed_anything(database: Database) -> None:
    for cap in ("One.", "Two.", "Two."):
        load(database, parsed({"A": {"Cap": cap, "Law": "Norway."}}))
    assert changes(database)["A__Cap"][2:] == ("One.", "Two.")
    load(database, parsed({"A": {"Cap": "Two.", "Law": "Denmark."}}))
    assert set(changes(database)) == {"A__Law", "A#document"}


def test_a_record_knows_the_section_it_stands_in(database: Database) -> None:
    entry = parsed_document("made_up", "A", {"One": "First words.", "Two": "Second words."})
    section = Record(
        "made_up",
        "A#s",
        entry.document.id,
        Granularity.SECTION,
        entry.document.text[6:],
        6,
        len(entry.document.text),
    )
    load(database, [ParsedDocument(entry.document, (*entry.records, section), ())])
    query = (
        "SELECT r.category FROM reference_records r JOIN reference_records s ON s.content_hash = r.section_hash "
        "WHERE s.source_id = 'A#s' ORDER BY 1"
    )
    assert column(database, query) == ["One", "Two", None]  # the section itself is in it too, the whole is not


def with_metadata(entry: ParsedDocument, **metadata: object) -> ParsedDocument:
    records = tuple(replace(record, metadata=metadata) for record in entry.records)
    return ParsedDocument(replace(entry.document, metadata=metadata), records, entry.findings)


def test_metadata_that_jsonb_cannot_hold_is_null_and_told(database: Database) -> None:
    deep: object = 1
    for _ in range(2_000):
        deep = [deep]
    odd = with_metadata(
        parsed_document("made_up", "A", {"Cap": "Words."}),
        nan=float("nan"),
        far=float("-inf"),
        huge=10**200_000,
        deep=deep,
        text="a\x00b\ud800",
        kept=[1, 2.5, {"x\x00": None}],
        nothing_of_json={1},
    )
    loaded = load(database, [odd, *parsed(contracts(3))])
    assert (loaded.documents, loaded.records) == (4, 14)
    stored = column(database, "SELECT metadata FROM reference_documents WHERE title = 'A'")[0]
    assert isinstance(stored, dict)
    assert [stored[key] for key in ("nan", "far", "huge", "nothing_of_json")] == [None] * 4
    assert (stored["text"], stored["kept"]) == ("a\ufffdb\ufffd", [1, 2.5, {"x\ufffd": None}])
    assert loaded.warnings == 5
    assert set(column(database, "SELECT kind FROM bootstrap_findings")) == {"unstorable_value"}


@pytest.mark.parametrize(
    "broken", [{"category": "a\x00b"}, {"content": "\ud800"}, {"hypothesis_id": 2**40}, {"char_end": 2**31}]
)
def test_a_document_that_cannot_be_stored_costs_only_itself(database: Database, broken: dict[str, Any]) -> None:
    entry = parsed_document("made_up", "A", {"Cap": "Words."})
    record = replace(entry.records[1], **broken)
    loaded = load(database, [ParsedDocument(entry.document, (record,)), *parsed(contracts(3))])
    assert (loaded.documents, loaded.errors) == (3, 1)
    failures = "SELECT class || ' ' || source_id FROM bootstrap_failures WHERE resolved_at IS NULL"
    assert column(database, failures) == ["unstorable A"]


def test_a_finding_may_say_anything_at_any_length(database: Database) -> None:
    noise = "".join(chr(random.Random(7).randrange(0x4E00, 0x9FFF)) for _ in range(4_000))
    findings = [
        Finding(
            "made_up", severity, "odd", f"NUL \x00 and \ud800 {noise}", f"{end}\x00{noise}{end}", f"\x00{noise}"
        )
        for severity in Severity
        for end in ("one", "two")
    ]
    loaded = load(database, [*parsed(contracts(2)), *findings])
    assert (loaded.errors, loaded.warnings) == (2, 2)
    assert column(database, "SELECT count(*) FROM bootstrap_failures") == [2]
