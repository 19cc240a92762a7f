import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from bootstrap_assets.corpus.records import Finding, Granularity, ParsedDocument, Record
from bootstrap_assets.errors import ArchiveError, ConfigurationError, FormatError
from bootstrap_assets.sources.commonaccord.files import DEFAULT_PATTERNS
from bootstrap_assets.sources.commonaccord.source import SOURCE, parse

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "commonaccord"

FRAME = """Note=How an agreement of this made-up library is laid out.
Model.Root={Doc}
Doc={Head.Div}{Sec}{By.Div}
Head.Div=<h4>{Doc.Ti}</h4>{P1.Name}<br>{P2.Name}<br><br>
Sec=<ol><li>{Keep.Sec}<li>{Lend.Sec}<li>{Law.Sec}</ol>
By.Div=<hr>{By.Sec}
By.Sec=<b>Signed</b><br>{By.sec}
By.sec={P1.Name} by the hand of: ____________________
"""

WIDGET = """Sec=<span class="sec-ti">{Ti}</span><br>{sec}
sec={0.sec}<ol><li>{1.sec}<li>{2.sec}<li>{3.sec}</ol>
"""

KEEP = """Ti=Keeping the recipe
0.sec=The {_Cook} shall, as long as the oven is warm:
1.sec=hide {_Recipe} in a locked drawer;
2.sec=tell nobody {Except.cl} what is in the dough; and
3.sec=burn the notes.
Except.cl=except the other bakers of the shop
=[Z/widget]
"""

LEND = """Ti=Lending
sec={Plain.sec}
Plain.sec=The {_Cook} may lend {_Recipe} to a guest. A guest returns it before the next full moon.
Sec=<b>{Ti}</b><br>{sec}
"""

AGREEMENT = """//=A pact between two bakers.
Doc.Ti=Pact of the <i>Secret</i> Sourdough
P1.=[Who/ada]
P2.Name=Bruno's Bakery
_Cook=Baker
_Recipe=<a href="#Def.Recipe.sec" class="definedterm">the Recipe</a>
Law.Sec=<b>Law</b><br>This pact follows the custom of {Valley}.
Keep.=[Sec/Keep]
Lend.=[Sec/Lend/0.md]
=[Form/Frame]
"""

LIBRARY: dict[str, str | bytes] = {
    "G/Agt-NDA/Pact.md": AGREEMENT,
    "Form/Frame.md": FRAME,
    "Who/ada": "Name=Ada's Ovens\n",
    "Sec/Keep.md": KEEP,
    "Sec/Lend/0.md": LEND,
    "Z/widget": WIDGET,
}
PACT = "G/Agt-NDA/Pact.md"


class Make(Protocol):
    """Packs files as GitHub packs a repository, and gives the archive's path."""

    def __call__(self, files: Mapping[str, str | bytes], name: str = ..., root: str = ...) -> Path: ...


@pytest.fixture
def archive(tmp_path: Path) -> Make:
    """Packs files as GitHub packs a repository."""

    def make(
        files: Mapping[str, str | bytes], name: str = "Cmacc-Org.zip", root: str = "Cmacc-Org-master/Doc/"
    ) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in files.items():
                packed.writestr(root + member, content)
        return path

    return make


def parsed(path: Path, **options: Any) -> dict[str, ParsedDocument]:
    items = list(parse([path], options))
    return {item.document.source_id: item for item in items if isinstance(item, ParsedDocument)}


def loose(path: Path, **options: Any) -> list[Finding]:
    return [item for item in parse([path], options) if isinstance(item, Finding)]


def contents(document: ParsedDocument, granularity: Granularity) -> dict[str | None, str]:
    return {
        record.section_path: record.content for record in document.records if record.granularity is granularity
    }


def kinds(document: ParsedDocument) -> set[str]:
    return {finding.kind for finding in document.findings}


def messages(document: ParsedDocument, kind: str) -> list[str]:
    return [finding.message for finding in document.findings if finding.kind == kind]


def assert_offsets(documents: Mapping[str, ParsedDocument]) -> list[Record]:
    """Every record is exactly where it says; returns all records."""
    records = [(item.document, record) for item in documents.values() for record in item.records]
    for document, record in records:
        assert document.text[record.char_start : record.char_end] == record.content
        assert record.content.strip() == record.content != ""
        assert record.document_id == document.id
    ids = Counter(record.source_id for _, record in records)
    assert max(ids.values(), default=1) == 1
    return [record for _, record in records]


def test_an_agreement_becomes_a_template_with_readable_text(archive: Make) -> None:
    pact = parsed(archive(LIBRARY))[PACT]
    assert pact.document.title == "Pact of the Secret Sourdough"
    assert pact.document.text == (
        "Pact of the Secret Sourdough\n\n"
        "Ada's Ovens\nBruno's Bakery\n\n"
        "Keeping the recipe\n"
        "The Baker shall, as long as the oven is warm:\n"
        "hide the Recipe in a locked drawer;\n"
        "tell nobody except the other bakers of the shop what is in the dough; and\n"
        "burn the notes.\n"
        "Lending\n"
        "The Baker may lend the Recipe to a guest. A guest returns it before the next full moon.\n"
        "Law\n"
        "This pact follows the custom of {Valley}.\n\n"
        "Signed\n"
        "Ada's Ovens by the hand of: ____________________"
    )
    assert pact.records[0].granularity is Granularity.TEMPLATE
    assert pact.records[0].source_id == f"{PACT}#template"
    assert pact.records[0].content == pact.document.text


def test_licence_attribution_and_address_stand_on_every_document(archive: Make) -> None:
    document = parsed(archive({"G/Agt-NDA/Pact of 2/0.md": AGREEMENT}))["G/Agt-NDA/Pact of 2/0.md"].document
    assert (document.licence, document.attribution) == (SOURCE.licence, SOURCE.attribution)
    assert document.url == f"{SOURCE.homepage}/blob/master/Doc/G/Agt-NDA/Pact%20of%202/0.md"


def test_sections_are_the_titled_units(archive: Make) -> None:
    sections = contents(parsed(archive(LIBRARY))[PACT], Granularity.SECTION)
    assert list(sections) == ["Keep.Sec", "Lend.Sec"]
    assert sections["Keep.Sec"].startswith("Keeping the recipe\nThe Baker shall")
    assert sections["Keep.Sec"].endswith("burn the notes.")


def test_clauses_are_whole_sentences_and_list_items(archive: Make) -> None:
    assert contents(parsed(archive(LIBRARY))[PACT], Granularity.CLAUSE) == {
        "Keep.0.sec": "The Baker shall, as long as the oven is warm:",
        "Keep.1.sec": "hide the Recipe in a locked drawer;",
        "Keep.2.sec": "tell nobody except the other bakers of the shop what is in the dough; and",
        "Lend.sec": "The Baker may lend the Recipe to a guest. A guest returns it before the next full moon.",
        "Law.Sec": "Law\nThis pact follows the custom of {Valley}.",
    }


def test_a_key_that_covers_what_another_covers_is_no_second_record(archive: Make) -> None:
    paths = [record.section_path for record in parsed(archive(LIBRARY))[PACT].records]
    assert "Lend.sec" in paths
    assert "Lend.Plain.sec" not in paths


def test_three_words_make_no_clause_and_four_do(archive: Make) -> None:
    documents = parsed(archive(LIBRARY | {"Sec/Keep.md": KEEP.replace("burn the notes", "burn all the notes")}))
    clauses = contents(documents[PACT], Granularity.CLAUSE)
    assert clauses["Keep.3.sec"] == "burn all the notes."


@pytest.mark.parametrize(
    "key", ["_Recipe", "Doc.Ti", "Keep.Ti", "P1.Name", "By.Sec", "By.sec", "Keep.Except.cl", "Sec"]
)
def test_terms_titles_names_signatures_fragments_and_frames_are_no_records(archive: Make, key: str) -> None:
    pact = parsed(archive(LIBRARY))[PACT]
    assert key not in [record.section_path for record in pact.records]


def test_records_know_their_references_and_the_file_that_defines_them(archive: Make) -> None:
    records = {record.section_path: record for record in parsed(archive(LIBRARY))[PACT].records}
    assert records["Keep.2.sec"].metadata == {"references": ["Keep.Except.cl"], "defined_in": "Sec/Keep.md"}
    assert records["Keep.1.sec"].metadata["references"] == ["_Recipe"]
    assert records["Keep.Sec"].metadata == {"references": ["Keep.Ti", "Keep.sec"], "defined_in": "Z/widget"}
    assert records["Law.Sec"].metadata == {"references": ["Valley"], "defined_in": PACT}


def test_a_key_that_occurs_again_gets_a_number(archive: Make) -> None:
    root = "Model.Root={a.sec}<br>{a.sec}<br>{template}<br>{a.sec}"
    twice = f"{root}\na.sec=Bread rises best overnight.\ntemplate=It is as it is."
    documents = parsed(archive({PACT: twice}))
    assert [record.source_id.partition("#")[2] for record in documents[PACT].records] == [
        "template",
        "a.sec",
        "a.sec~2",
        "template~2",
        "a.sec~3",
    ]
    assert_offsets(documents)


def test_a_paragraph_of_sentences_is_cut_into_them_and_one_sentence_is_not(archive: Make) -> None:
    source = (
        "Model.Root=<p>{1.sec} {2.sec}</p><p>{3.sec}</p>\n"
        "1.sec=Flour comes from the mill.\n2.sec=Water comes from the well.\n"
        "3.sec=Salt comes {Way.cl} from the sea.\nWay.cl=by the long road over the hills"
    )
    assert contents(parsed(archive({PACT: source}))[PACT], Granularity.CLAUSE) == {
        "1.sec": "Flour comes from the mill.",
        "2.sec": "Water comes from the well.",
        "3.sec": "Salt comes by the long road over the hills from the sea.",
    }


def test_a_unit_is_named_by_the_key_that_says_most(archive: Make) -> None:
    source = (
        "Model.Root={1.LI}{2.LI}\n1.LI=<li>{1.sec}\n1.sec={Rye.cl}\nRye.cl=Rye is for the winter.\n"
        "2.LI=<li>{Oat.cl}\nOat.cl=Oats are for the horse."
    )
    clauses = contents(parsed(archive({PACT: source}))[PACT], Granularity.CLAUSE)
    assert list(clauses) == ["1.sec", "Oat.cl"]


def test_the_end_of_a_sentence_is_no_clause_without_its_beginning(archive: Make) -> None:
    source = "Model.Root=<p>{1.sec}\n1.sec=So {Way.cl}\nWay.cl=it comes by the long road."
    clauses = contents(parsed(archive({PACT: source}))[PACT], Granularity.CLAUSE)
    assert clauses == {"1.sec": "So it comes by the long road."}


def test_a_line_that_ends_in_a_comma_is_no_clause(archive: Make) -> None:
    source = (
        "Model.Root={a.sec}<br>{b.sec}\na.sec=Ada, a baker of the valley,\nb.sec=and Bruno, a baker of the hills."
    )
    assert list(contents(parsed(archive({PACT: source}))[PACT], Granularity.CLAUSE)) == ["b.sec"]


def test_a_section_that_is_another_but_for_the_title_stands_for_both(archive: Make) -> None:
    source = (
        "Model.Root={a.Sec}\na.Ti=Promises\na.Sec=<b>{a.Ti}</b><br>{a.sec}\n"
        "a.sec=The baker promises all of this:<ul><li>{1.sec}<li>{2.sec}</ul>\n"
        "1.sec=to rise before the sun;\n2.sec=to sweep the floor."
    )
    pact = parsed(archive({PACT: source}))[PACT]
    assert list(contents(pact, Granularity.SECTION)) == ["a.Sec"]
    assert list(contents(pact, Granularity.CLAUSE)) == ["1.sec", "2.sec"]


def test_a_title_without_a_text_is_no_clause(archive: Make) -> None:
    source = (
        "Model.Root={a.Sec}<br>{b.sec}\na.Sec=<b>{a.Ti}</b><br>{a.sec}\na.Ti=How the dough is kept\n"
        "b.sec=Bread rises best overnight."
    )
    assert list(contents(parsed(archive({PACT: source}))[PACT], Granularity.CLAUSE)) == ["b.sec"]


def test_words_are_counted_in_scripts_without_spaces(archive: Make) -> None:
    documents = parsed(archive({PACT: "Model.Root=<p>{1.sec}</p>\n1.sec=面包师应当保密。"}))
    assert contents(documents[PACT], Granularity.CLAUSE) == {"1.sec": "面包师应当保密。"}


def test_a_file_without_a_whole_agreement_is_a_library_of_its_own_prose(archive: Make) -> None:
    keep = parsed(archive(LIBRARY))["Sec/Keep.md"]
    assert keep.document.metadata["kind"] == "library"
    assert keep.document.title == "Keeping the recipe"
    assert keep.document.text == (
        "The {_Cook} shall, as long as the oven is warm:\n\n"
        "hide {_Recipe} in a locked drawer;\n\n"
        "tell nobody except the other bakers of the shop what is in the dough; and\n\n"
        "except the other bakers of the shop"
    )
    assert list(contents(keep, Granularity.CLAUSE)) == ["0.sec", "1.sec", "2.sec", "Except.cl"]
    assert keep.records[2].metadata == {"references": ["Except.cl"], "defined_in": "Sec/Keep.md"}


def test_a_library_file_without_prose_keeps_its_lines_and_has_no_records(archive: Make) -> None:
    widget = parsed(archive(LIBRARY))["Z/widget"]
    assert widget.document.text == WIDGET.strip()
    assert widget.document.title == "Z/widget"
    assert widget.records == ()


def test_a_root_that_gives_no_prose_makes_a_library(archive: Make) -> None:
    documents = parsed(archive({PACT: "Model.Root={Doc}\n1.sec=Here is some prose that nothing shows."}))
    assert documents[PACT].document.metadata["kind"] == "library"
    assert documents[PACT].document.text == "Here is some prose that nothing shows."


def test_a_lasting_order_and_exact_offsets(archive: Make) -> None:
    documents = parsed(archive(LIBRARY))
    assert list(documents) == sorted(LIBRARY)
    assert len(assert_offsets(documents)) > 10
    assert documents == parsed(archive(dict(reversed(LIBRARY.items()))))


def test_what_is_included_comes_along_and_other_files_do_not(archive: Make) -> None:
    documents = parsed(archive(LIBRARY | {"G/Other/0.md": "Ti=Not asked for"}))
    assert list(documents) == sorted(LIBRARY)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("**",), ["a/0.md", "a/b/c", "d"]),
        (("*",), ["d"]),
        (("a/*",), ["a/0.md"]),
        (("a/**",), ["a/0.md", "a/b/c"]),
        (("**/c", "?"), ["a/b/c", "d"]),
        (["a/b/?"], ["a/b/c"]),
    ],
)
def test_patterns_choose_the_files(archive: Make, patterns: Any, expected: list[str]) -> None:
    files = dict.fromkeys(["a/0.md", "a/b/c", "d"], "Ti=Some title")
    assert list(parsed(archive(files), patterns=patterns)) == expected


def test_a_pattern_that_matches_nothing_is_told(archive: Make) -> None:
    (finding,) = loose(archive(LIBRARY), patterns=["G/Agt-NDA/**", "G/Nothing/**"])
    assert finding.kind == "pattern_without_match"
    assert "G/Nothing/**" in finding.message


def test_patterns_that_all_match_nothing_are_an_error(archive: Make) -> None:
    with pytest.raises(FormatError, match=r"Cmacc-Org\.zip.*G/Nothing"):
        parsed(archive(LIBRARY), patterns=["G/Nothing/**"])


@pytest.mark.parametrize("patterns", ["G/**", [], [1]])
def test_patterns_must_be_a_list_of_texts(archive: Make, patterns: Any) -> None:
    with pytest.raises(ConfigurationError, match="patterns"):
        parsed(archive(LIBRARY), patterns=patterns)


def test_plain_markdown_and_pictures_are_no_documents(archive: Make) -> None:
    files: dict[str, str | bytes] = LIBRARY | {
        "G/Agt-NDA/README.md": 'Read this.\n<a href="x">y</a>\nhttp://example.org/i?a=b\nsome words = others\n',
        "G/Agt-NDA/logo.png": b"\x89PNG\r\n\x1a\n\x00x=\xff\n=[Z/widget]\n",
    }
    assert list(parsed(archive(files))) == sorted(LIBRARY)


def test_an_archive_without_doc_is_not_the_library(archive: Make) -> None:
    with pytest.raises(FormatError, match=r"Cmacc-Org\.zip: has no library root Doc/"):
        parsed(archive(LIBRARY, root="Something-main/"))


def test_doc_may_lie_at_the_top(archive: Make) -> None:
    assert PACT in parsed(archive(LIBRARY, root="Doc/"))


def test_a_truncated_archive_is_named(archive: Make) -> None:
    path = archive(LIBRARY)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ArchiveError, match=r"Cmacc-Org\.zip"):
        parsed(path)


def test_of_a_file_in_two_archives_the_first_is_taken_and_the_other_told(archive: Make) -> None:
    first = archive(LIBRARY)
    second = archive({PACT: "Ti=Another"}, name="Fork.zip")
    items = list(parse([first, second], {}))
    findings = [item for item in items if isinstance(item, Finding)]
    assert [(finding.kind, finding.place) for finding in findings] == [
        ("duplicate_file", f"Fork.zip: Cmacc-Org-master/Doc/{PACT}")
    ]
    titles = [i.document.title for i in items if isinstance(i, ParsedDocument) and i.document.source_id == PACT]
    assert titles == ["Pact of the Secret Sourdough"]


def test_the_include_graph_is_kept(archive: Make) -> None:
    metadata = parsed(archive(LIBRARY))[PACT].document.metadata
    assert metadata["includes"] == [
        {"prefix": "P1.", "path": "Who/ada"},
        {"prefix": "Keep.", "path": "Sec/Keep.md"},
        {"prefix": "Lend.", "path": "Sec/Lend/0.md"},
        {"prefix": "", "path": "Form/Frame.md"},
    ]
    assert (metadata["missing_includes"], metadata["cycles"]) == ([], [])


def test_an_open_placeholder_is_one_warning(archive: Make) -> None:
    pact = parsed(archive(LIBRARY))[PACT]
    (finding,) = pact.findings
    assert finding.kind == "unresolved_placeholder"
    assert finding.message == "placeholders without a value: Valley"
    assert finding.place == f"Cmacc-Org.zip: Doc/{PACT}"
    assert finding.source_id == PACT
    assert pact.document.metadata["unresolved"] == ["Valley"]


def test_a_missing_include_is_told_where_it_is_and_where_it_is_felt(archive: Make) -> None:
    documents = parsed(archive(LIBRARY | {"Sec/Keep.md": f"{KEEP}\nx.=[Sec/Gone.md]\n"}))
    assert messages(documents["Sec/Keep.md"], "missing_include") == [
        "includes files that do not exist: Sec/Gone.md"
    ]
    assert messages(documents[PACT], "missing_include") == [
        "includes files that do not exist: Sec/Gone.md (in Sec/Keep.md)"
    ]
    assert documents[PACT].document.metadata["missing_includes"] == [
        {"file": "Sec/Keep.md", "target": "Sec/Gone.md"}
    ]
    assert "missing_include" not in kinds(documents["Sec/Lend/0.md"])


def test_includes_in_a_circle_are_a_warning_and_the_document_is_whole(archive: Make) -> None:
    plain = parsed(archive(LIBRARY))[PACT]
    documents = parsed(archive(LIBRARY | {"Sec/Keep.md": f"{KEEP}=[Sec/Loop]\n", "Sec/Loop": "=[Sec/Keep]\n"}))
    assert messages(documents[PACT], "include_cycle") == [
        "its includes run in a circle: Sec/Keep.md → Sec/Loop → Sec/Keep.md"
    ]
    assert documents[PACT].document.metadata["cycles"] == [["Sec/Keep.md", "Sec/Loop"]]
    assert documents[PACT].records == plain.records


def test_placeholders_in_a_circle_are_a_warning(archive: Make) -> None:
    circle = "Valley=the valley of {Hill}\nHill=hills near {Valley}\n"
    documents = parsed(archive(LIBRARY | {PACT: circle + AGREEMENT}))
    assert messages(documents[PACT], "placeholder_cycle") == ["keys that need themselves: Valley"]
    assert "hills near {Valley}." in documents[PACT].document.text


@pytest.mark.timeout(60)
def test_a_document_that_grows_without_end_is_given_as_its_own_lines(archive: Make) -> None:
    chain = "\n".join(f"A{n}={{A{n + 1}}}{{A{n + 1}}}" for n in range(40))
    bomb = f"Model.Root={{A0}}\n{chain}\nA40=yeast\n1.sec=Let the dough {{A0}} rest a while.\n"
    document = parsed(archive({PACT: bomb}))[PACT]
    assert "expansion_limit" in kinds(document)
    assert document.document.text == "Let the dough {A0} rest a while."
    assert [record.section_path for record in document.records] == ["1.sec"]


def test_long_lists_of_trouble_are_shortened(archive: Make) -> None:
    many = "1.sec=There are many things to fill in: " + " ".join(f"{{K{n}}}" for n in range(20))
    (finding,) = parsed(archive({PACT: many}))[PACT].findings
    assert finding.message.endswith("K6, K7 and 12 more")


def test_bad_bytes_line_ends_and_marks_survive(archive: Make) -> None:
    lines = [
        b"\xef\xbb\xbfTi=Odd bytes",
        b"1.sec=One \x00 of these \xff letters is \xef\xb7\x90 broken.",
        b"2.sec=This one is quite fine.",
    ]
    path = archive({PACT: b"\r\n".join(lines)})
    document = parsed(path)[PACT]
    assert document.document.title == "Odd bytes"
    assert [record.content for record in document.records] == [
        "One \ufffd of these \ufffd letters is \ufffd broken.",
        "This one is quite fine.",
    ]
    assert [finding.kind for finding in loose(path)] == ["invalid_utf8"]


def test_an_empty_file_and_a_deep_nesting_do_no_harm(archive: Make) -> None:
    deep = "".join(f"A{n}=<li>{{A{n + 1}}}\n" for n in range(1_500))
    files = {PACT: f"Model.Root={{A0}}\n{deep}A1500=Deep down there is still bread.", "G/Agt-NDA/empty": ""}
    documents = parsed(archive(files))
    assert list(documents) == [PACT]
    assert [record.content for record in documents[PACT].records] == ["Deep down there is still bread."] * 2


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data in ../shared/data/commonaccord")
def test_the_real_library_gives_what_a_lawyer_would_look_for() -> None:
    documents = parsed(DATA / "Cmacc-Org.zip", patterns=DEFAULT_PATTERNS)
    records = assert_offsets(documents)
    counts = Counter(record.granularity for record in records)
    assert counts[Granularity.TEMPLATE] >= 60
    assert counts[Granularity.SECTION] > 700
    assert counts[Granularity.CLAUSE] > 1_500
    demo = documents["G/Agt-NDA/Demo/Acme-Quake/0.md"]
    assert "Relate.Remedy.Injunction.Sec" in contents(demo, Granularity.SECTION)
    assert "Relate.Conf.Except.Item.Had.cl" in contents(demo, Granularity.CLAUSE)
    assert demo.document.metadata["unresolved"][0] == "Why.sec"
    spans = [(r.char_start, r.char_end) for r in demo.records if r.granularity is not Granularity.TEMPLATE]
    assert len(spans) == len(set(spans))
