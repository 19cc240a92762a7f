import html
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootstrap_assets.sources.commonaccord.plain_text import mark, plain_text, readable, without_marks
from bootstrap_assets.sources.commonaccord.prose_library import Library
from bootstrap_assets.sources.commonaccord.prose_objects import (
    ExpansionLimit,
    Resolved,
    Resolver,
    open_placeholders,
)

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "commonaccord"


def library(**files: str) -> Library:
    """A library of made-up files."""
    return Library(files, files.__getitem__)


def resolve(top: str, key: str = "K", **files: str) -> str | None:
    """The HTML that a key of the file `top` resolves to, without marks."""
    value = Resolver(library(top=top, **files), "top").resolve(key)
    return None if value is None else without_marks(value.html)


def test_a_key_gives_its_value() -> None:
    assert resolve("K=value") == "value"


def test_the_first_of_two_lines_wins() -> None:
    assert resolve("K=first\nK=second") == "first"


def test_white_space_may_stand_before_the_equals_sign_and_after_it() -> None:
    assert resolve("K \t= value ") == "value "


def test_a_key_must_match_exactly() -> None:
    assert resolve("K.x=longer\nxK=other\nk=small") is None


def test_a_value_may_hold_equals_signs() -> None:
    assert resolve('K=<a href="x">y</a>=z') == '<a href="x">y</a>=z'


def test_lines_without_a_key_are_comments() -> None:
    assert resolve("Some notes, in Markdown.\n\nK=value\n* and more") == "value"


def test_a_zero_is_a_value() -> None:
    assert resolve("K=due in {N} days\nN=0") == "due in 0 days"


def test_an_included_file_gives_what_the_file_itself_lacks() -> None:
    assert resolve("K={A} {B}\nA=own\n=[lib]", lib="A=included\nB=included") == "own included"


def test_includes_are_asked_in_order() -> None:
    assert resolve("=[one]\n=[two]", one="J=1", two="K=2") == "2"
    assert resolve("=[one]\n=[two]", one="K=1", two="K=2") == "1"


def test_an_empty_value_of_an_include_leaves_the_key_to_the_next() -> None:
    assert resolve("=[one]\n=[two]", one="K=", two="K=2") == "2"


def test_a_value_that_comes_out_empty_leaves_the_key_to_the_next_include() -> None:
    assert resolve("=[one]\n=[two]\nGone=</test>", one="K={Gone}", two="K=2") == "2"


def test_an_empty_value_of_the_file_itself_hides_its_includes() -> None:
    assert resolve("K=\n=[lib]", lib="K=included") is None


def test_a_prefix_is_taken_off_the_key() -> None:
    assert resolve("K={P1.Name}\nP1.=[acme]", acme="Name=Acme Widgets") == "Acme Widgets"


def test_prefixes_add_up() -> None:
    files = {"mid": "Seat.=[leaf]", "leaf": "City=Springfield ({Zip})"}
    assert resolve("K={P1.Seat.City}\nP1.=[mid]\nP1.Seat.Zip=00001", **files) == "Springfield (00001)"


def test_placeholders_found_through_a_prefix_are_looked_up_in_the_top_document() -> None:
    top = "K={P1.Intro}\nP1.Name=the override\nP1.=[who]"
    assert resolve(top, who="Intro=Hello {Name}\nName=the default") == "Hello the override"


def test_a_placeholder_that_is_open_under_a_prefix_is_looked_up_under_the_shorter_ones() -> None:
    top = "K={P1.US.Intro}\nP1.=[who]\nCountry=Nowhere"
    files = {"who": "US.=[frame]\nName=Acme", "frame": "Intro={Name} of {Country} by {Agent}"}
    assert resolve(top, **files) == "Acme of Nowhere by {Agent}"


def test_the_longest_prefix_has_the_first_word() -> None:
    assert resolve("K={P.Say}\nP.X=with prefix\nX=without\nP.=[lib]", lib="Say={X}") == "with prefix"


def test_a_value_of_test_makes_its_placeholder_vanish() -> None:
    assert resolve("K=a{Gone}b\nGone= </test> ") == "ab"


def test_a_placeholder_without_a_value_stays() -> None:
    assert resolve("K=a {Missing.Key} b") == "a {Missing.Key} b"


def test_open_placeholders_are_listed_once_each() -> None:
    assert open_placeholders("{a.b} { } {} {c {d}} {a.b}") == ["a.b", "d"]


def test_a_placeholder_around_a_placeholder_keeps_its_braces() -> None:
    assert resolve("K={N}: {{N}.x}\nN=name\nname.x=never") == "name: {name.x}"


@pytest.mark.parametrize("target", ["Sec/Law.md", "Sec/Law", "Sec/Law/", "/Sec/Law", "./Sec/Law"])
def test_an_include_may_leave_out_the_suffix(target: str) -> None:
    files = {"Sec/Law.md": "K=found", "top": f"=[{target}]"}
    assert Library(files, files.__getitem__).locate(target) == "Sec/Law.md"


@pytest.mark.parametrize("target", ["Sec/Law/0.md", "Sec/Law", "Sec/Law/"])
def test_an_include_may_name_the_folder_of_a_0_md(target: str) -> None:
    files = {"Sec/Law/0.md": "K=found"}
    assert Library(files, files.__getitem__).locate(target) == "Sec/Law/0.md"


def test_an_include_may_be_followed_by_a_remark() -> None:
    assert resolve("=[lib]  // the frame", lib="K=found") == "found"


def test_an_exact_path_goes_before_a_guessed_one() -> None:
    files = {"Law": "", "Law.md": "", "Law/0.md": ""}
    assert Library(files, files.__getitem__).locate("Law") == "Law"


def test_carriage_returns_byte_order_marks_and_nul_survive() -> None:
    assert resolve("K=a\x00b{X}\r\nX=c\rY=d") == "a\ufffdbc"


def test_what_looks_like_our_own_marks_is_replaced() -> None:
    assert readable("a\ufde0\ufdd1\ufde1b\ufde2") == "a\ufffd\ufffd\ufffdb\ufffd"


def test_a_missing_include_is_found_and_does_no_harm() -> None:
    made = library(top="K={A}\n=[not/there]\n=[lib]", lib="A=value\nx.=[nor/this.md]")
    assert made.reach("top").missing == (("top", "not/there"), ("lib", "nor/this.md"))
    assert resolve("K={A}\n=[not/there]\n=[lib]", lib="A=value") == "value"


def test_prose_in_brackets_is_no_missing_include() -> None:
    assert library(top="1.sec=[Name of Buyer] asks to see the books").reach("top").missing == ()


def test_includes_that_run_in_a_circle_are_found_once() -> None:
    made = library(top="K={A}\n=[b]", b="=[c]", c="A=value\n=[b]\n=[c]")
    assert made.reach("top").cycles == (("b", "c"), ("c",))
    assert made.reach("c").cycles == (("b", "c"), ("c",))


def test_a_circle_of_includes_does_not_hide_what_is_behind_it() -> None:
    files = {"a": "=[b]", "b": "=[a]\n=[top]\n=[c]", "c": "K=reached"}
    assert resolve("=[a]", **files) == "reached"


def test_a_circle_of_placeholders_is_left_open_and_told() -> None:
    resolver = Resolver(library(top="K=a {X}\nX=b {Y}\nY=c {X}"), "top")
    value = resolver.resolve("K")
    assert value is not None
    assert without_marks(value.html) == "a b c {X}"
    assert list(resolver.cycles) == ["X"]


def test_what_hangs_on_a_circle_is_looked_up_anew_from_elsewhere() -> None:
    assert resolve("K={A} | {B}\nA=a{B}\nB=b{A}") == "ab{A} | ba{B}"


def test_a_default_that_refers_outward_by_its_own_name_is_no_circle() -> None:
    assert resolve("K={P.Name}\nName=outer\nP.=[lib]", lib="Name={Name}") == "outer"


def test_references_are_full_keys_and_the_defining_file_is_told() -> None:
    made = library(top="K={P.Say}\nP.=[lib]\nP.A=1\nB=2", lib="Say={A} {B} {C} {A}")
    value = Resolver(made, "top").resolve("P.Say")
    assert value is not None
    assert value.references == ("P.A", "B", "P.C")
    assert value.defined_in == "lib"


def test_a_name_that_ends_in_two_exclamation_marks_is_put_in_bare() -> None:
    resolver = Resolver(library(top='K=<a href="{!!}x">{N}</a>\n!!=#\nN=name'), "top")
    value = resolver.resolve("K")
    assert value is not None
    assert value.html.startswith('<a href="#x">')
    assert resolver.keys == ["N"]


def doubling(levels: int) -> str:
    chain = "\n".join(f"A{n}={{A{n + 1}}}{{A{n + 1}}}x" for n in range(levels))
    return f"K={{A0}}\n{chain}\nA{levels}=some words"


def fibonacci(levels: int) -> str:
    """Each key needs the next two, and the last the first: every value hangs on the circle."""
    chain = "\n".join(f"A{n}={{A{n + 1}}}{{A{n + 2}}}" for n in range(levels))
    return f"K={{A0}}\n{chain}\nA{levels}={{A0}}\nA{levels + 1}={{A0}}"


def growing(_: int) -> str:
    """Every lookup asks for two longer keys that are all new."""
    return "K={x.K}{y.K}\nx.=[top]\ny.=[top]"


@pytest.mark.parametrize("make", [doubling, fibonacci, growing])
@pytest.mark.timeout(60)
def test_what_grows_without_end_is_stopped(make: Callable[[int], str]) -> None:
    with pytest.raises(ExpansionLimit):
        resolve(make(40))


def test_a_doubling_that_stays_small_is_expanded() -> None:
    assert resolve(doubling(3)) == "some wordssome wordsx" * 2 + "x" + ("some wordssome wordsx" * 2 + "x") + "x"


@pytest.mark.timeout(30)
def test_a_ladder_of_diamonds_is_walked_once() -> None:
    files = {f"f{n}": f"=[f{n + 1}]\nx.=[f{n + 1}]\n=[g{n + 1}]" for n in range(60)}
    files |= {f"g{n}": f"=[f{n + 1}]\n=[g{n + 1}]" for n in range(60)} | {"f60": "A=down here", "g60": ""}
    assert resolve("K={A} {B} {x.x.A}\n=[f0]", **files) == "down here {B} down here"


@pytest.mark.timeout(30)
def test_a_ladder_with_a_circle_in_it_is_walked_once() -> None:
    files = {f"f{n}": f"=[f{n + 1}]\n=[g{n + 1}]" for n in range(60)}
    files |= {f"g{n}": f"=[f{n + 1}]\n=[g{n + 1}]" for n in range(60)} | {"f60": "=[f0]", "g60": "A=down here"}
    assert resolve("K={A} {B}\n=[f0]", **files) == "down here {B}"
    assert library(top="=[f0]", **files).reach("top").cycles


@pytest.mark.timeout(30)
def test_chains_longer_than_pythons_stack_are_followed() -> None:
    keys = "\n".join(f"A{n}={{A{n + 1}}}" for n in range(3_000))
    assert resolve(f"K={{A0}}\n{keys}\nA3000=the end") == "the end"
    files = {f"f{n}": f"=[f{n + 1}]" for n in range(2_000)} | {"f2000": "K=the end"}
    assert resolve("=[f0]", **files) == "the end"
    assert len(library(top="=[f0]", **files).reach("top").files) == 2_002


LINES = st.sampled_from(
    "K= =[a] =[b] x.=[a] .=[b] x=[nowhere] K={x.K}{K} x.K={y} y=</test> y={{K} K=<b>{y} =".split()
)
TEXTS = st.lists(LINES, max_size=7).map("\n".join)


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=150, deadline=None)
def test_any_small_library_resolves_or_is_stopped(top: str, a: str, b: str) -> None:
    made = library(top=top, a=a, b=b)
    made.reach("top")
    try:
        value = Resolver(made, "top", max_work=300_000).resolve("K")
    except ExpansionLimit:
        return
    if value is not None:
        text, spans = plain_text(value.html)
        assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in spans)


def test_tags_are_removed_and_words_keep_their_borders() -> None:
    assert plain_text("a <b>bo</b>ld   <i>and</i>\n plain&nbsp;&amp; text</>") == ("a bold and plain & text", [])


def test_block_elements_break_the_line_and_headings_leave_a_blank_one() -> None:
    source = "<h4>Title</h4>Intro<br>next<ol><li>one</li><LI class='x'>two</ol>after<br><br>far"
    assert plain_text(source)[0] == "Title\n\nIntro\nnext\none\ntwo\nafter\n\nfar"


def test_a_tag_that_nobody_closed_is_removed() -> None:
    assert plain_text("one</ol<br>two")[0] == "one\n\ntwo"


def test_a_less_than_sign_is_no_tag() -> None:
    assert plain_text("if a < b and 3 <4 then c&lt;d&gt;")[0] == "if a < b and 3 <4 then c<d>"


def test_spans_are_exact_and_leave_outer_white_space_out() -> None:
    text, spans = plain_text(
        f"x {mark(7, ' <b>two words</b> ')} {mark(300, mark(8, '<li>item'))}{mark(9, ' <i></i>')}"
    )
    assert [(span.number, text[span.start : span.end]) for span in spans] == [
        (7, "two words"),
        (300, "item"),
        (8, "item"),
    ]


def test_marks_within_a_tag_do_no_harm() -> None:
    text, spans = plain_text(f'<a href="{mark(1, "#x")}">{mark(2, "link")}</a> {mark(3, "end")}')
    assert text == "link end"
    assert [(span.number, text[span.start : span.end]) for span in spans] == [(2, "link"), (3, "end")]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def real_library() -> Library:
    archive = zipfile.ZipFile(DATA / "Cmacc-Org.zip")
    names = {name.split("/Doc/", 1)[1]: name for name in archive.namelist() if "/Doc/" in name}
    return Library(names, lambda path: archive.read(names[path]).decode())


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data in ../shared/data/commonaccord")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_expected_texts_of_the_reference_resolver_come_out() -> None:
    made = real_library()
    expected = {
        file.stem: squeezed(file.read_text(encoding="utf-8")) for file in (DATA / "expected").glob("*.txt")
    }
    by_name = {path.replace("/", "_").removesuffix(".md"): path for path in made}
    resolved: dict[str, Resolved | None] = {
        name: Resolver(made, by_name[name]).resolve("Model.Root") for name in expected
    }
    assert len(expected) == 5
    for name, value in resolved.items():
        assert value is not None
        bare = html.unescape(re.sub(r"<[^>]*>", "", without_marks(value.html)))
        assert squeezed(bare) == expected[name], name
        assert squeezed(plain_text(value.html)[0]) == expected[name], name
