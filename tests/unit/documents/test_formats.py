"""What of each format comes into the text, and where it stands."""

import re
from pathlib import Path

import pytest

from bootstrap_assets.documents.extraction import VERSION, pdf_lines
from bootstrap_assets.documents.extraction.model import ExtractedDocument, Kind, as_json, from_json
from bootstrap_assets.documents.extraction.reading import extract_bytes
from bootstrap_assets.sample.documents import FOLDER
from bootstrap_assets.sample.documents.make import documents, write
from bootstrap_assets.sample.documents.packed_files import W, epub
from bootstrap_assets.sample.documents.pdf_file import BOLD, LARGE, REGULAR, pages_pdf
from tests.unit.documents.made import form_pdf, page_pdf, paragraph, scan_pdf, shown, word


def read(content: bytes | str, name: str = "") -> ExtractedDocument:
    document = extract_bytes(content.encode() if isinstance(content, str) else content, name, "")
    assert [position.char_start for position in document.positions] == sorted(
        position.char_start for position in document.positions
    )
    for heading in document.headings:
        assert heading.title in " ".join(document.text[heading.char_start : heading.char_end].split())
    return document


def headings(document: ExtractedDocument) -> list[tuple[int, str | None, str]]:
    return [(heading.level, heading.number, heading.title) for heading in document.headings]


def test_the_sample_is_what_its_script_writes(tmp_path: Path) -> None:
    assert {file.name: file.read_bytes() for file in write(tmp_path)} == {
        file.name: file.read_bytes() for file in FOLDER.iterdir()
    }


def test_the_sample_has_every_format_and_says_that_it_is_invented() -> None:
    kinds = set()
    for name, content in documents().items():
        document = read(content, name)
        kinds.add(document.kind)
        assert "invented" in document.text
        assert document.headings
        assert document.notices == []
        assert document.version == VERSION
    assert kinds == set(Kind)


@pytest.mark.parametrize("name", sorted(documents()))
def test_a_document_survives_its_way_through_the_pipe(name: str) -> None:
    document = read(documents()[name], name)
    assert from_json(as_json(document)) == document
    assert from_json(as_json(document)).position_at(40) == document.position_at(40)


def test_lines_of_a_pdf_are_joined_to_paragraphs_and_keep_their_page_and_box() -> None:
    document = read(documents()["supply-agreement.pdf"])
    assert (
        "The Supplier will deliver flour to the Buyer every week from 1 March, and the Buyer will pay"
        in document.text
    )
    place = document.text.index("Neither party may assign")
    position = document.position_at(place)
    assert position
    assert position.page == 2
    assert position.box
    left, bottom, right, top = position.box
    assert 70 < left < right < 520
    assert 500 < bottom < top < 842
    assert headings(document)[1] == (1, "1", "Parties and purpose")


def test_a_footer_that_is_drawn_first_comes_last_and_a_header_that_is_drawn_last_first() -> None:
    page = [
        (72.0, 40.0, REGULAR, "Page 1"),
        (72.0, 700.0, REGULAR, "The first clause"),
        (72.0, 688.0, REGULAR, "goes on."),
        (72.0, 800.0, REGULAR, "Draft"),
    ]
    assert read(pages_pdf([page], "")).text == "Draft\n\nThe first clause goes on.\n\nPage 1"


def test_a_sentence_goes_on_over_the_end_of_a_page() -> None:
    pages = [[(72.0, 100.0, REGULAR, "The Buyer pays within")], [(72.0, 700.0, REGULAR, "thirty days.")]]
    assert read(pages_pdf(pages, "")).text == "The Buyer pays within thirty days."


def test_the_hyphen_at_a_lines_end_stays_where_the_word_has_one() -> None:
    lines = [
        "The non-exclusive licence of the agreement is one that a licensee holds, and this is a non-",
        "exclusive licence which the licensee must not give to others, whatever another agree-",
        "ment between the parties says.",
    ]
    page = [(72.0, 700.0 - 12 * number, REGULAR, line) for number, line in enumerate(lines)]
    text = read(pages_pdf([page], "")).text
    assert "a non-exclusive licence which" in text
    assert "another agreement between" in text


def test_what_is_printed_larger_or_bold_is_a_heading_and_what_is_on_each_page_is_none() -> None:
    pages = [
        [
            (72.0, 800.0, BOLD, f"Draft of May, page {number}"),
            (72.0, 760.0, LARGE, f"Chapter of {name}"),
            (72.0, 730.0, BOLD, "Of their duties"),
            (72.0, 712.0, REGULAR, "They shall do what is said here and leave what is not said, each day."),
            (72.0, 700.0, REGULAR, "What they leave is nobody's business but their own, as long as they do so."),
        ]
        for number, name in enumerate(("Millers", "Bakers", "Carters"), 1)
    ]
    found = headings(read(pages_pdf(pages, "")))
    assert (1, None, "Chapter of Millers") in found
    assert not any("Draft" in title for _level, _number, title in found)


def test_bookmarks_say_the_level_of_a_heading() -> None:
    item = b"<< /Title (Of their duties) /Parent 6 0 R /Dest [3 0 R /Fit] >>"
    outline = b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>"
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    content = shown(b"Of their duties", bottom=720) + shown(b"they shall do what is")
    content += shown(b"said here.", bottom=688)
    assert headings(read(page_pdf(content, font, outline, item, catalogue=b"/Outlines 6 0 R"))) == [
        (1, None, "Of their duties")
    ]


def test_what_was_typed_into_a_form_is_in_the_text() -> None:
    assert read(form_pdf(b"Larkfield Bakeries")).text.split() == ["Name:", "Larkfield", "Bakeries"]


def test_a_text_that_divides_no_word_keeps_its_hyphens() -> None:
    lines = ["It is data that was de-", "identified before the licensee had got any of it."]
    page = [(72.0, 700.0 - 12 * number, REGULAR, line) for number, line in enumerate(lines)]
    assert "was de-identified before" in read(pages_pdf([page], "")).text


@pytest.mark.parametrize(
    ("words", "gap", "spaced"),
    [
        ("1.Term", 6.0, "1. Term"),
        ("(a)the", 6.0, "(a) the"),
        ("1.Term", 0.5, "1.Term"),
        ("P.O. Box", 6.0, "P.O. Box"),
        ("1. Term", 6.0, "1. Term"),
    ],
)
def test_a_gap_behind_a_number_is_a_space_where_pdfium_gives_none(words: str, gap: float, spaced: str) -> None:
    label = re.match(r"\S*?[.)]", words)
    assert label

    class Page:
        def get_charbox(self, index: int) -> tuple[float, float, float, float]:
            left = 5.0 * index + (gap if index >= label.end() else 0.0)
            return left, 0.0, left + 5.0, 10.0

    assert pdf_lines._with_space(Page(), words, 0, 10.0)[0] == spaced  # type: ignore[arg-type]


def test_a_page_without_text_among_others_is_told() -> None:
    mixed = read(scan_pdf(b"words"))
    assert (mixed.text, mixed.pages) == ("words", 2)
    assert [notice.message for notice in mixed.notices] == [
        "page(s) 1 are pictures without text: the text lacks them"
    ]


NUMBERS = (
    f'<w:numbering xmlns:w="{W}"><w:abstractNum w:abstractNumId="7">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Article %1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/><w:isLgl/></w:lvl>'
    '<w:lvl w:ilvl="2"><w:start w:val="3"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>'
    '<w:lvl w:ilvl="3"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl>'
    '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    '<w:num w:numId="2"><w:abstractNumId w:val="7"/>'
    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num></w:numbering>'
)


def item(words: str, level: int, number: int = 1) -> str:
    return paragraph(words, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def test_numbers_of_words_lists_come_into_the_text() -> None:
    body = (
        item("one", 0) + item("two", 1) + item("three", 2) + item("four", 2) + item("five", 1) + item("six", 2)
        + item("seven", 3) + item("eight", 0) + item("nine", 1) + item("ten", 0, 2) + item("eleven", 0, 2)
        + item("twelve", 0, 1) + paragraph("plain") + item("none", 0, 0) + item("unknown", 0, 99)
    )  # fmt: skip
    assert read(word(body, numbering=NUMBERS)).text.split("\n\n") == [
        "Article I. one", "1.1 two", "(c) three", "(d) four", "1.2 five", "(c) six", "• seven",
        "Article II. eight", "2.1 nine", "Article V. ten", "Article VI. eleven", "Article VII. twelve",
        "plain", "none", "unknown",
    ]  # fmt: skip


def test_headings_of_word_have_the_level_of_their_style_and_the_number_of_their_list() -> None:
    document = read(documents()["mutual-nda.docx"])
    assert headings(document)[:3] == [
        (1, None, "Mutual Non-Disclosure Agreement"),
        (1, "1", "Confidential Information"),
        (2, "1.1", ""),
    ]
    assert "(b) was developed by the receiving party on its own; or" in document.text
    outline = paragraph("An outline", '<w:outlineLvl w:val="2"/>') + paragraph("All bold", run="<w:b/>")
    assert headings(read(word(outline))) == [(3, None, "An outline"), (2, None, "All bold")]


def test_a_table_of_word_keeps_its_rows_and_cells() -> None:
    cells = "".join(f"<w:tc>{paragraph(words)}</w:tc>" for words in ("Fee", "ten crowns"))
    more = f"<w:tc>{paragraph('Term')}</w:tc><w:tc>{paragraph('one')}{paragraph('year')}</w:tc>"
    body = f"<w:tbl><w:tr>{cells}</w:tr><w:tr>{more}</w:tr></w:tbl>"
    assert read(word(body)).text == "Fee\tten crowns\n\nTerm\tone\n\nyear"


def test_deleted_words_are_out_and_inserted_ones_in() -> None:
    body = (
        "<w:p><w:r><w:t>The cap is </w:t></w:r><w:del><w:r><w:delText>one</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>two</w:t></w:r></w:ins><w:r><w:t> million</w:t><w:tab/><w:t>euro</w:t></w:r>"
        "<w:hyperlink><w:r><w:t>here</w:t></w:r></w:hyperlink>"
        '<w:r><w:instrText> HYPERLINK "x" </w:instrText></w:r></w:p>'
    )
    document = read(word(body))
    assert document.text == "The cap is two million eurohere"
    assert [notice.kind for notice in document.notices] == ["tracked_changes"]


def test_footnotes_footers_and_text_boxes_of_word_are_not_lost() -> None:
    body = (
        '<w:p><w:r><w:t>A term</w:t><w:footnoteReference w:id="2"/></w:r><w:r><w:pict><w:txbxContent>'
        f"{paragraph('in a box')}</w:txbxContent></w:pict></w:r></w:p>"
    )
    notes = f'<w:footnotes xmlns:w="{W}"><w:footnote w:id="2">{paragraph("as defined")}</w:footnote></w:footnotes>'
    footer = f'<w:ftr xmlns:w="{W}">{paragraph("Version 3")}</w:ftr>'
    text = read(word(body, footnotes=notes, footer1=footer, footer2=footer)).text
    assert text == "A term[1]\n\nin a box\n\n[1] as defined\n\nVersion 3"


def test_chapters_of_a_book_come_in_the_order_of_its_spine() -> None:
    document = read(
        epub("Book", ["<h1>First</h1><script src='x'/><p>a<a id='x'/>b</p>", "<h1>Second</h1><p>c</p>"])
    )
    assert document.text == "First\n\nab\n\nSecond\n\nc"
    assert document.title == "Book"
    assert [position.chapter for position in document.positions] == [1, 1, 2, 2]
    assert document.positions[-1].href == "book/chapter-2.xhtml"


def test_a_page_keeps_lists_tables_and_breaks() -> None:
    document = read(
        "<!doctype html><title>T &amp; C</title><h2>1. Of <i>lists</i></h2>a<br>b<ol start=3 type=i><li>x"
        "<ul><li>y</ul><li value=7>z</ol><table><tr><td>(a)<td>fee</tr><tr><td>only</table>"
        "<pre>p\n  q</pre><p>e  f\n g</p>"
    )
    assert document.text == "1. Of lists\n\na\nb\n\niii. x\n\n• y\n\nvii. z\n\n(a)\tfee\n\nonly\n\np\nq\n\ne f g"
    assert document.title == "T & C"
    assert headings(document) == [(2, "1", "Of lists")]


def test_a_page_in_the_encoding_it_declares() -> None:
    page = "<html><head><meta charset='iso-8859-2'></head><body>Žluťoučký kůň</body></html>"
    assert read(page.encode("iso-8859-2")).text == "Žluťoučký kůň"


def test_markdown_is_read_without_its_signs() -> None:
    document = read(
        "# Terms #\n\n**1.1 Fee.** The *fee* is `10` [crowns](https://x.org/a).\n> quoted\n\nSub\n---\n\n"
        "- one\n- two\n\n```\n# no heading\n```\n<!-- hidden -->\nsnake_case_stays 2 \\* 3\n\n"
        "| a | b |\n|---|---|\n| c | d |\n"
    )
    assert document.kind is Kind.MARKDOWN
    assert document.text == (
        "Terms\n\n1.1 Fee. The fee is 10 crowns. quoted\n\nSub\n\n• one\n\n• two\n\n# no heading\n\n"
        "snake_case_stays 2 * 3\n\na | b\nc | d"
    )
    assert headings(document) == [(1, None, "Terms"), (2, "1.1", "Fee"), (2, None, "Sub")]


def test_plain_text_keeps_its_lines_and_has_paragraphs() -> None:
    document = read("TERMS\r\n\r\n1. Fee. The fee\r\nis ten.\r\n\r\n\r\nEnd\x0cNext page")
    assert document.text == "TERMS\n\n1. Fee. The fee\nis ten.\n\nEnd\n\nNext page"
    assert [position.paragraph for position in document.positions] == [1, 2, 3, 4]
    assert headings(document) == [(2, None, "TERMS"), (1, "1", "Fee")]


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        ("ARTICLE IV. Payment", (1, "ARTICLE IV", "Payment")),
        ("Section 4.2 Late Payment. A party", (2, "4.2", "Late Payment")),
        ("4.2.1 the parties agree", (3, "4.2.1", "")),
        ("A. Grant of Licence. The", (2, "A", "Grant of Licence")),
        ("EXHIBIT B", (1, "EXHIBIT B", "")),
        ("2019 was a good year", None),
        ("30 days after notice", None),
        ("1. The parties agree to meet. They", None),
        ("(a) the parties agree", None),
        ("The parties agree.", None),
        ("1. Definitions ........ 5", None),
    ],
)
def test_a_heading_is_told_by_its_number_and_wording(words: str, heading: tuple[int, str, str] | None) -> None:
    assert headings(read(f"Words before.\n\n{words}")) == ([heading] if heading else [])
