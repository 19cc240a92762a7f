"""JSON with what JSON does not allow or PostgreSQL cannot hold: it costs at most the document it stands in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootstrap_assets.corpus.records import Finding, ParsedDocument, Severity, storable, unstorable
from bootstrap_assets.errors import FormatError
from bootstrap_assets.sources.json_input import Unusable, load_json
from bootstrap_assets.sources.registry import SOURCES

TEXT = "The taster keeps the syrup secret. Nobody tastes it twice."
ODD = {
    "NaN": "NaN",
    "an infinity": "-Infinity",
    "a number beyond floats": "1e999",
    "a number of 5,000 digits": "9" * 5_000,
    "NUL and a lone surrogate": '"\\u0000\\ud800"',
    "a nest of 300": "[" * 300 + "]" * 300,
    "a nest of 3,000": "[" * 3_000 + "]" * 3_000,
    "a nest of objects": '{"a":' * 2_000 + "1" + "}" * 2_000,
    "a number": "7",
    "a fraction": "1.5",
    "true": "true",
    "null": "null",
    "a list": "[]",
    "an object with a key twice": '{"a": 1, "a": 2}',
}


def contract(title: str) -> dict[str, Any]:
    answers = [{"text": "the syrup", "answer_start": 17}]
    qas = [{"id": f"{title}__Parties", "question": "Who?", "is_impossible": False, "answers": answers}]
    return {"title": title, "paragraphs": [{"context": TEXT, "qas": qas}]}


def accord(title: str) -> dict[str, Any]:
    choice = {"nda-11": {"choice": "Entailment", "spans": [0]}}
    return {
        "id": title,
        "file_name": f"{title}.pdf",
        "text": TEXT,
        "spans": [[0, 34]],
        "annotation_sets": [{"annotations": choice}],
        "document_type": "search-pdf",
        "url": "https://syrup.example/",
    }


FILES: dict[str, tuple[str, dict[str, Any], list[Any]]] = {}
for _source, _name, _key, _make in (
    ("cuad", "CUAD_v1.json", "data", contract),
    ("contract_nli", "dev.json", "documents", accord),
):
    _documents = [_make(title) for title in "ABC"]
    _labels = {"nda-11": {"short_description": "No tasting", "hypothesis": "Nobody tastes."}}
    FILES[_source] = (_name, {_key: _documents, "labels": _labels}, _documents)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values within a value, itself included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, item in items for spot in spots(item, (*path, key)))]


def with_odd(source: str, spot: tuple[Any, ...], odd: str) -> str:
    """The source's file as text, with something odd at a place in its second document."""
    _, whole, documents = FILES[source]
    copy = json.loads(json.dumps(whole))
    holder = copy["data" if source == "cuad" else "documents"]
    for key in (1, *spot)[:-1]:
        holder = holder[key]
    holder[(1, *spot)[-1]] = "@odd@"
    assert len(documents) == 3
    return json.dumps(copy).replace('"@odd@"', odd)


def read(source: str, folder: Path, text: str) -> tuple[dict[str, ParsedDocument], list[Finding]]:
    path = folder / FILES[source][0]
    path.write_text(text)
    items = list(SOURCES[source].parse([path], {}))
    documents = {
        item.document.title.removesuffix(".pdf"): item for item in items if isinstance(item, ParsedDocument)
    }
    findings = [item for item in items if isinstance(item, Finding)]
    return documents, findings + [finding for item in documents.values() for finding in item.findings]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("source", FILES)
def test_whatever_stands_anywhere_in_a_document_costs_no_other(tmp_path: Path, source: str, odd: str) -> None:
    for spot in spots(FILES[source][2][1]):
        documents, findings = read(source, tmp_path, with_odd(source, spot, ODD[odd]))
        assert {"A", "C"} <= set(documents), spot
        assert len(documents) == 3 or any(finding.severity is Severity.ERROR for finding in findings), spot
        for parsed in documents.values():
            assert unstorable(parsed) is None
            lost: list[str] = []
            json.dumps(storable(parsed.document.metadata, lost), allow_nan=False)
            assert lost == []


@pytest.mark.parametrize("odd", ["NaN", "-Infinity", "1e999", "9" * 5_000, "[" * 300 + "]" * 300])
@pytest.mark.parametrize("key", ["file_name", "document_type"])
def test_what_jsonb_cannot_hold_is_left_out_of_the_metadata_and_told(tmp_path: Path, key: str, odd: str) -> None:
    documents, findings = read("contract_nli", tmp_path, with_odd("contract_nli", (key,), odd))
    assert len(documents) == 3
    (told,) = [finding for finding in findings if finding.kind == "unstorable_value"]
    assert told.place == "dev.json: documents[1]"
    assert told.message.startswith(key)


def test_a_title_that_is_nan_is_one_dead_letter_that_says_so(tmp_path: Path) -> None:
    documents, findings = read("cuad", tmp_path, with_odd("cuad", ("title",), "NaN"))
    assert set(documents) == {"A", "C"}
    (told,) = findings
    assert (told.severity, told.place) == (Severity.ERROR, "CUAD_v1.json: data[1].title")
    assert told.message == "is NaN where a text is expected"


def test_a_key_that_comes_twice_is_told(tmp_path: Path) -> None:
    value, findings = load_json('{"a": 1, "b": {"c": 2, "c": 3}, "a": 4}', "x.json", "cuad")
    assert value == {"a": 4, "b": {"c": 3}}
    assert [(finding.kind, finding.message.rpartition(": ")[2]) for finding in findings] == [
        ("repeated_key", "'c', 'a'")
    ]
    assert load_json('\ufeff\ufeff{"a": 1}', "x.json", "cuad") == ({"a": 1}, [])


def test_an_id_that_pandas_wrote_as_a_fraction_is_the_same_id(tmp_path: Path) -> None:
    documents, _ = read("contract_nli", tmp_path, with_odd("contract_nli", ("id",), "7.0"))
    assert documents["B"].document.source_id == "7"


def test_brackets_in_texts_are_no_nesting() -> None:
    deep = "[" * 2_000 + '"]]{{\\"[["' + "]" * 2_000
    value, _ = load_json(f'{{"deep": {deep}, "text": "[[{{\\"]", "more": [1]}}', "x.json", "cuad")
    assert isinstance(value, dict)
    assert (value["text"], value["more"]) == ('[[{"]', [1])
    with pytest.raises(FormatError, match=r"x\.json: not usable JSON: .*do not match"):
        load_json("[" * 5_000, "x.json", "cuad")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(Unusable("odd")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(json_values)
def test_what_is_storable_is_json_and_what_was_json_stays(value: Any) -> None:
    lost: list[str] = []
    stored = storable(value, lost)
    text = json.dumps(stored, allow_nan=False)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()
    if not lost and "\ufffd" not in json.dumps(stored, ensure_ascii=False):
        assert stored == value


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FILES)), st.randoms(use_true_random=False), st.data())
def test_mutated_json_costs_only_the_documents_it_is_in(
    tmp_path: Path, source: str, random: Any, data: st.DataObject
) -> None:
    spot = random.choice(spots(FILES[source][2][1]))
    odd = data.draw(
        st.sampled_from([json.dumps(value) for value in (0, "", [[]], {"x": []}, -1)]) | st.just("NaN")
    )
    documents, _ = read(source, tmp_path, with_odd(source, spot, odd))
    assert {"A", "C"} <= set(documents)
