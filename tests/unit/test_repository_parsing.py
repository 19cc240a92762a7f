"""Discovery and parsing: which files are read, and what becomes of a blob that ends its parser."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap_assets.repositories.clone import Entry, clone
from bootstrap_assets.repositories.discover import MOST_RULES, File, discover
from bootstrap_assets.repositories.git import Limits
from bootstrap_assets.repositories.indexing import Index, counts, index_commit
from bootstrap_assets.repositories.manifests import packages_of
from bootstrap_assets.repositories.naming import language_of
from bootstrap_assets.repositories.parsing import ParseLimits, Parser
from bootstrap_assets.repositories.path_rules import attribute_rules, ignore_rules, verdicts
from bootstrap_assets.repositories.symbols import Parsed
from tests.fakes.git_repository import GitRepository


def found(files: dict[str | bytes, str | bytes], limits: Limits | None = None) -> dict[str, File]:
    raw = {one if isinstance(one, bytes) else one.encode(): content for one, content in files.items()}
    blobs = {str(number): content for number, content in enumerate(raw.values())}
    contents = {oid: one.encode() if isinstance(one, str) else one for oid, one in blobs.items()}
    entries = [Entry(name, "file", oid, len(contents[oid])) for name, oid in zip(raw, contents, strict=True)]
    return {one.path: one for one in discover(entries, contents.get, limits or Limits())}


def reasons(files: dict[str | bytes, str | bytes], limits: Limits | None = None) -> dict[str, str]:
    return {path: one.reason for path, one in found(files, limits).items()}


def test_what_attributes_call_vendored_or_generated_is_not_read() -> None:
    assert reasons(
        {
            ".gitattributes": "lib/** linguist-vendored\n*.gen.py linguist-generated=true\n"
            "lib/own.py -linguist-vendored\n",
            "lib/a.py": "",
            "lib/own.py": "",
            "deep/x.gen.py": "",
            "a.py": "",
        }
    ) == {".gitattributes": "unknown kind", "lib/a.py": "vendored", "lib/own.py": "", "deep/x.gen.py": "generated",
          "a.py": ""}  # fmt: skip


def test_bootstrapignore_works_as_gitignore_does_in_its_own_folder() -> None:
    given = {
        "sub/.bootstrapignore": "# note\n/only.py\n*.tmp.py\nbuild/\n!keep.tmp.py\n",
        "sub/only.py": "",
        "sub/deep/only.py": "",
        "sub/deep/a.tmp.py": "",
        "sub/keep.tmp.py": "",
        "sub/x/build/a.py": "",
        "other/only.py": "",
    }
    assert {path for path, reason in reasons(given).items() if reason == "ignored"} == {
        "sub/only.py", "sub/deep/a.tmp.py", "sub/x/build/a.py",
    }  # fmt: skip


def test_a_pattern_made_to_be_slow_is_not() -> None:
    rules = [*ignore_rules("*a" * 200, ""), *attribute_rules("**/" * 100 + "x linguist-vendored", "")]
    began = time.perf_counter()
    assert verdicts(rules, "a/" * 200 + "b") == set()
    assert verdicts(rules, "a" * 1000 + "b") == set()
    assert time.perf_counter() - began < 1


def test_no_more_rules_count_than_can_be_asked_for_every_file() -> None:
    rules = "".join(f"{number}\n" for number in range(MOST_RULES)) + "one-too-many.py\n"
    given = reasons({".bootstrapignore": rules, "0": "", "one-too-many.py": ""})
    assert (given["0"], given["one-too-many.py"]) == ("ignored", "")


@pytest.mark.parametrize(
    ("rule", "path", "is_meant"),
    [
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b/c", True),
        ("a/**/b", "x/a/b", False),
        ("[ab].py", "x/a.py", True),
        ("[^a].py", "a.py", False),
        ("\\#x", "#x", True),
        ("\\!x", "!x", True),
        ("x\\*", "xy", False),
        ("docs/*.md", "docs/a/b.md", False),
        ("build/", "x/build", False),
        ("build/", "x/build/y/z", True),
        ("x/**", "x", False),
        ("x/**", "x/y", True),
        ("/", "x", False),
    ],
)
def test_a_rule_means_what_it_means_to_git(rule: str, path: str, is_meant: bool) -> None:
    assert ("ignored" in verdicts(ignore_rules(rule, ""), path)) == is_meant
    inside = verdicts(ignore_rules(rule, "a*b"), f"a*b/{path}")
    assert ("ignored" in inside) == is_meant
    assert not verdicts(ignore_rules(rule, "a*b"), f"axb/{path}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pom.xml", "<dependency>" * 40_000),
        ("package.json", "/* " * 150_000),
        ("package.json", '"\\' * 150_000),
        ("go.mod", "require (\n" * 40_000),
        ("go.mod", "require " + "a." * 60_000),
        ("build.gradle", "\n" * 100_000 + "x"),
        ("pyproject.toml", "a." * 30_000 + "b = 1"),
        ("Cargo.toml", "x = 1\n[ " + "'a' . " * 30_000 + "b]"),
    ],
)
def test_a_manifest_made_to_be_slow_is_not(name: str, content: str) -> None:
    began = time.perf_counter()
    assert packages_of(name, content.encode()) == []
    assert time.perf_counter() - began < 1


def test_a_header_made_to_be_slow_is_not() -> None:
    began = time.perf_counter()
    assert language_of("a.h", b"\n" * 100_000 + b"x", lambda _text: False) == "c"
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("node_modules/x/a.js", "", "vendored"),
        ("a/vendor/b.go", "", "vendored"),
        ("package-lock.json", "{}", "lock file"),
        ("sub/Cargo.lock", "", "lock file"),
        ("a.min.js", "", "generated"),
        ("a_pb2.py", "", "generated"),
        ("a.go", "// Code generated by tool. DO NOT EDIT.\n", "generated"),
        ("a.py", b"x\0y", "binary"),
        ("a.py", "x" * 101, "too large"),
        ("a.xyz", "", "unknown kind"),
        (b"\xff.py", "", "name is not UTF-8"),
        (b"a\nb.py", "", "unsafe name"),
        ("../a.py", "", "unsafe name"),
        ("a/.GIT/b.py", "", "unsafe name"),
        ("a/\u202eyp.b", "", "unsafe name"),
        ("d/" * 70 + "a.py", "", "path too long"),
        ("d" * 2000, "", "path too long"),
    ],
)
def test_a_file_is_left_out_for_a_reason(name: str | bytes, content: str | bytes, reason: str) -> None:
    [one] = found({name: content}, Limits(file_bytes=100)).values()
    assert one.reason == reason
    assert one.path.isprintable()


@pytest.mark.parametrize(
    ("name", "content", "language"),
    [
        ("a.py", "", "python"),
        ("tool", "#!/usr/bin/env python3\n", "python"),
        ("tool", "#!/usr/bin/node\n", "javascript"),
        ("a.tsx", "", "tsx"),
        ("a.h", "int f(void);\n", "c"),
        ("a.h", "namespace n { class A; }\n", "cpp"),
        ("README.md", "# Title\nText = more\n", "markdown"),
        ("G/0.md", "Ti=Term\n1.=[G/Z/Sec.md]\n", "prose"),
        ("Doc/NDA.md", "Sec=The {Party} agrees.\nParty=Acme\n", "prose"),
        ("U/Place/Geo", "City=Paris\nGeo={City}\n", "prose"),
        ("schema.SQL", "", "sql"),
        ("LICENSE", "", "text"),
    ],
)
def test_the_language_is_known_by_name_and_content(name: str, content: str, language: str) -> None:
    assert found({name: content})[name].language == language


@pytest.fixture
def parser() -> Iterator[Parser]:
    with Parser() as one:
        yield one


def test_a_child_gives_what_the_reader_itself_gives(parser: Parser) -> None:
    from bootstrap_assets.repositories.languages import reader_of

    source = Path(__file__).read_bytes()
    reader = reader_of("python")
    assert reader is not None
    assert parser.parse("python", source) == reader.read(source)
    assert Parsed.from_json(parser.parse("python", source).to_json()) == reader.read(source)
    assert parser.starts == 1


def test_a_blob_that_ends_its_parser_is_a_finding_and_the_next_is_parsed(
    parser: Parser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from bootstrap_assets.repositories.languages.sql import Sql\n"
        "Sql.read = lambda self, source: os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    [finding] = parser.parse("sql", b"SELECT 1").findings
    assert (finding.code, finding.message) == ("parser_failed", "the parser was ended by signal 11")
    assert [one.name for one in parser.parse("python", b"def f(): pass").symbols] == ["f"]
    assert parser.starts == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [("import time; time.sleep(60)", "longer than 1 s"), ("bytearray(3_000_000_000)", "gave up: MemoryError")],
)
def test_a_blob_that_takes_too_long_or_too_much_memory_is_a_finding(
    body: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "from bootstrap_assets.repositories.languages.sql import Sql\n"
        f"def read(self, source):\n    {body}\nSql.read = read\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with Parser(ParseLimits(seconds=1)) as parser:
        [finding] = parser.parse("sql", b"SELECT 1").findings
        assert words in finding.message
        assert parser.parse("markdown", b"# A").symbols


def test_the_parser_sees_nothing_of_the_environment(
    parser: Parser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nfrom bootstrap_assets.repositories.languages.sql import Sql\n"
        "def read(self, source):\n    raise MemoryError if 'VOYAGE_API_KEY' in os.environ else RecursionError\n"
        "Sql.read = read\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("VOYAGE_API_KEY", "a-key")
    assert parser.parse("sql", b"").findings[0].message == "parsing gave up: RecursionError"


@pytest.mark.parametrize(
    "language", "python typescript tsx javascript go java rust c cpp markdown sql prose".split()
)
def test_any_bytes_are_read_without_an_error(language: str, parser: Parser) -> None:
    for source in (b"", b"\xff\xfe\x00", b"(" * 20_000, b"a." * 20_000 + b"b()", os.urandom(5_000), b"{" * 9_000,
                   b"def f(:\n  class \xe9 { fn ( ' \" ` {{{ =[x]\n"):  # fmt: skip
        parsed = parser.parse(language, source)
        assert [one for one in parsed.findings if one.code == "parser_failed"] == [], source[:20]
    assert parser.starts == 1


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    one = GitRepository(tmp_path / "origin")
    one.commit({"a.py": "import b\n"
    "b.f()\n", "b.py": "def f(): pass\n", "copy.py": "def f(): pass\n", "bad.py": "def (:\n",
                "latin.py": b"# caf\xe9\nX = 1\n", "empty.py": ""})  # fmt: skip
    return one


def indexed(repository: GitRepository, **options: object) -> Index:
    with clone(str(repository.folder), "", repository.folder / "clones") as brought, Parser() as parser:
        return index_commit(brought, parser, **options)  # type: ignore[arg-type]


def test_a_commit_becomes_symbols_references_and_dependencies_with_findings(repository: GitRepository) -> None:
    stages: list[str] = []
    index = indexed(repository, stage=stages.append)
    assert stages == ["discover", "parse", "symbols", "references", "dependencies"]
    assert set(index.seconds) == set(stages)
    assert counts(index) == {"files": 6, "symbols": 3, "references": 2, "dependencies": 1}
    assert index.dependencies.files == [("a.py", "b.py")]
    assert [(path, one.code, one.line) for path, one in index.findings] == [("bad.py", "broken_syntax", 1)]


def test_a_blob_is_parsed_once_whatever_files_and_commits_have_it(repository: GitRepository) -> None:
    first = indexed(repository)
    assert len(first.fresh) == 5  # b.py and copy.py are one
    repository.commit({"a.py": "import b\nb.f()\nb.f()\n", "moved.py": "def f(): pass\n"})
    second = indexed(repository, memory=first.fresh)
    assert len(second.fresh) == 1
    assert counts(second)["references"] == 3
