"""What refers to what, language by language: small repositories of which every reference is known."""

import pytest

from bootstrap_assets.repositories.components import cycles
from bootstrap_assets.repositories.dependencies import dependencies_of
from bootstrap_assets.repositories.languages import reader_of
from bootstrap_assets.repositories.manifests import packages_of
from bootstrap_assets.repositories.naming import language_of
from bootstrap_assets.repositories.references import CONFIDENCE, Reference, references_of
from bootstrap_assets.repositories.symbols import Parsed


def language(path: str, text: str) -> str:
    return language_of(path, text.encode(), lambda _: path.endswith(".prose.md"))


def parsed(files: dict[str, str]) -> dict[str, Parsed]:
    languages = {path: language(path, text) for path, text in files.items()}
    readers = {path: reader_of(name) for path, name in languages.items()}
    return {path: reader.read(files[path].encode()) for path, reader in readers.items() if reader is not None}


def references(files: dict[str, str]) -> list[Reference]:
    return list(references_of(parsed(files), {path: text.encode() for path, text in files.items()}))


def calls(files: dict[str, str]) -> dict[str, str]:
    """Of each call, by `path:line name`, what it leads to: a file and a name, a package, or nothing."""
    return {
        f"{one.path}:{one.line} {one.name}": f"{one.to_path} {one.to_name}" if one.to_path else one.package
        for one in references(files)
        if one.kind == "call"
    }


PYTHON = {
    "app/__init__.py": "",
    "app/base.py": (
        "class Base:\n    def run(self): return self.step()\n    def step(self): pass\n"
        "    @classmethod\n    def make(cls): return cls()\n    @property\n    def other(self) -> 'Other': ...\n"
        "class Other:\n    def go(self): pass\n"
    ),
    "app/main.py": (
        "from .base import Base as B\nfrom app import base\nimport os.path, requests\n"
        "class Child(B):\n    def step(self):\n        super().step()\n        self.run()\n"
        "        self.x = base.Other()\n"
        "    def use(self):\n        self.x.go()\n        self.other.go()\n        Child.make().run()\n"
        "def shadow(run, go=None):\n    run()\n    items = [base.Other()]\n    requests.get('x')\n"
        "    os.path.join('a')\n"
        "    print(len('x'))\n    unknown_thing()\n    with open('x') as f: f.read()\n"
    ),
}


def test_python_follows_imports_classes_properties_and_what_self_holds() -> None:
    assert calls(PYTHON) == {
        "app/base.py:2 step": "app/base.py Base.step",
        "app/base.py:5 cls": "app/base.py Base",
        "app/main.py:6 super": "",
        "app/main.py:6 step": "app/base.py Base.step",
        "app/main.py:7 run": "app/base.py Base.run",
        "app/main.py:8 Other": "app/base.py Other",
        "app/main.py:10 go": "app/base.py Other.go",
        "app/main.py:11 go": "app/base.py Other.go",
        "app/main.py:12 make": "app/base.py Base.make",
        "app/main.py:12 run": "app/base.py Base.run",
        "app/main.py:14 run": "",
        "app/main.py:15 Other": "app/base.py Other",
        "app/main.py:16 get": "requests",
        "app/main.py:17 join": "os",
        "app/main.py:18 print": "builtins",
        "app/main.py:18 len": "builtins",
        "app/main.py:19 unknown_thing": "",
        "app/main.py:20 open": "builtins",
        "app/main.py:20 read": "builtins",
    }


def test_a_reference_says_how_it_was_resolved_and_how_sure_that_is() -> None:
    files = {
        "a.py": "from b import far\ndef outer():\n    def near(): pass\n    near()\n    top()\n    far()\n"
        "def top(): pass\n"
        "def guess(x): x.lonely_name()\n",
        "b.py": "def far(): pass\nclass C:\n    def lonely_name(self): pass\n",
    }
    ways = {one.name: (one.how, one.confidence) for one in references(files) if one.kind == "call"}
    expected = {"near": "scope", "top": "file", "far": "import", "lonely_name": "unique"}
    assert ways == {name: (how, CONFIDENCE[how]) for name, how in expected.items()}
    assert list(CONFIDENCE.values()) == sorted(CONFIDENCE.values(), reverse=True)


def test_a_name_that_two_have_is_not_guessed_and_stays() -> None:
    files = {"a.py": "def f(x): x.twice_there()\n",
             "b.py": "class A:\n    def twice_there(self): pass\nclass B:\n"
             "    def twice_there(self): pass\n"}  # fmt: skip
    assert calls(files) == {"a.py:1 twice_there": ""}


def test_what_needs_itself_ends() -> None:
    files = {
        "a.py": "from b import *\nfrom b import x\nx = x.y()\nclass A(A): pass\nclass B(C): pass\nclass C(B):\n"
        "    def f(self): return self.f().f()\ny = y\n",
        "b.py": "from a import *\nfrom a import x\nz = x.z.x()\n",
    }
    assert calls(files)["a.py:7 f"] == "a.py C.f"


def test_what_hangs_on_very_much_is_not_known_and_no_error() -> None:
    source = "".join(f"v{number} = v{number + 1}.a\n" for number in range(3000)) + "v0.go()\n"
    assert calls({"a.py": source}) == {"a.py:3001 go": ""}


TYPESCRIPT = {
    "package.json": '{"name": "@me/lib", "dependencies": {"lodash": "1"}}',
    "tsconfig.json": '{"compilerOptions": {"baseUrl": ".", "paths": {"~/*": ["src/*"],},}, /* note */}',
    "src/shapes/index.ts": "export * from './circle';\nexport { default as Square } from './square';\n",
    "src/shapes/circle.ts": "export class Circle { area(): number { return this.half(); } "
    "private half() { return 1 } }\n"
    "export const make = (n: number): Circle => new Circle();\n",
    "src/shapes/square.ts": "export default class Sq { side = new Map(); grow() {} }\n",
    "src/main.ts": (
        "import { Circle, Square, make } from './shapes';\nimport * as all from '~/shapes/circle.js';\n"
        "import _ from 'lodash';\nimport { go } from '@me/lib/main';\n"
        "export function go(c: Circle, list: Square[]) {\n  c.area();\n  make(1).area();\n  all.make(2);\n"
        "  for (const one of list) one.grow();\n  _.map([]);\n  const o = { f() {}, g: () => o.f() };\n  o.g();\n"
        "  new Square();\n  function c2() {}\n  c2();\n  (null as any).what();\n  go(c, list);\n}\n"
    ),
}


def test_typescript_follows_exports_aliases_and_types() -> None:
    assert calls(TYPESCRIPT) == {
        "src/shapes/circle.ts:1 half": "src/shapes/circle.ts Circle.half",
        "src/shapes/circle.ts:2 Circle": "src/shapes/circle.ts Circle",
        "src/shapes/square.ts:1 Map": "builtins",
        "src/main.ts:6 area": "src/shapes/circle.ts Circle.area",
        "src/main.ts:7 make": "src/shapes/circle.ts make",
        "src/main.ts:7 area": "src/shapes/circle.ts Circle.area",
        "src/main.ts:8 make": "src/shapes/circle.ts make",
        "src/main.ts:9 grow": "src/shapes/square.ts Sq.grow",
        "src/main.ts:10 map": "lodash",
        "src/main.ts:11 f": "src/main.ts go.o.f",
        "src/main.ts:12 g": "src/main.ts go.o.g",
        "src/main.ts:13 Square": "src/shapes/square.ts Sq",
        "src/main.ts:15 c2": "src/main.ts go.c2",
        "src/main.ts:16 what": "",
        "src/main.ts:17 go": "src/main.ts go",
    }


OTHERS = {
    "javascript": (
        {
            "lib.js": "function one() {}\nexports.two = function () { one() };\nmodule.exports.three = one;\n",
            "app.jsx": "const lib = require('./lib');\nconst { two: zwei } = require('./lib');\n"
            "lib.two(); zwei(); "
            "lib.three();\nconst App = () => <div onClick={zwei}><App /></div>;\n",
        },
        {"lib.js:2 one": "lib.js one", "app.jsx:1 require": "builtins", "app.jsx:2 require": "builtins",
         "app.jsx:3 two": "lib.js two", "app.jsx:3 zwei": "lib.js two", "app.jsx:3 three": "lib.js one"},
    ),
    "go": (
        {
            "go.mod": "module example.org/m\n\nrequire (\n\tgithub.com/x/y v1.0.0\n)\n",
            "kit/kit.go": "package kit\n\ntype Box struct { In *Inner }\ntype Inner struct{}\n"
            "func (i *Inner) Open() error { return nil }\nfunc New() *Box { return &Box{} }\n",
            "kit/more.go": "package kit\n\nfunc (b *Box) Run() { b.In.Open(); help() }\nfunc help() {}\n",
            "main.go": 'package main\n\nimport (\n\t"fmt"\n\tk "example.org/m/kit"\n\t"github.com/x/y/z"\n)\n\n'
            "func main() {\n\tb := k.New()\n\tb.Run()\n\tfmt.Println(len(\"\"))\n\tz.Do()\n}\n",
        },
        {"kit/more.go:3 Open": "kit/kit.go Inner.Open", "kit/more.go:3 help": "kit/more.go help",
         "main.go:10 New": "kit/kit.go New", "main.go:11 Run": "kit/more.go Box.Run", "main.go:12 Println": "fmt",
         "main.go:12 len": "builtins", "main.go:13 Do": "github.com/x/y"},
    ),
    "java": (
        {
            "src/a/Base.java": "package a;\npublic class Base {\n  protected Tool tool;\n  void help() {}\n}\n",
            "src/a/Tool.java": "package a;\n"
            "public class Tool { public Tool go() { return this; } static Tool of() { return null; } }\n",
            "src/b/Main.java": "package b;\nimport a.Base;\nimport a.Tool;\nimport org.x.y.Z;\n"
            "class Main extends Base {\n"
            "  void run(Z z) {\n    help();\n    tool.go().go();\n    this.run(z);\n    Tool.of().go();\n"
            "    new Base();\n"
            "    z.far();\n    String.valueOf(1);\n  }\n}\n",
        },
        {"src/b/Main.java:7 help": "src/a/Base.java Base.help", "src/b/Main.java:8 go": "src/a/Tool.java Tool.go",
         "src/b/Main.java:9 run": "src/b/Main.java Main.run", "src/b/Main.java:10 of": "src/a/Tool.java Tool.of",
         "src/b/Main.java:10 go": "src/a/Tool.java Tool.go", "src/b/Main.java:11 Base": "src/a/Base.java Base",
         "src/b/Main.java:12 far": "org.x.y", "src/b/Main.java:13 valueOf": "builtins"},
    ),
    "rust": (
        {
            "Cargo.toml": '[package]\nname = "my-crate"\n[dependencies]\nserde = "1"\n',
            "src/lib.rs": "pub mod kit;\nuse kit::{Tool, help as h};\nuse serde::Value;\n"
            "pub fn run(t: &Tool) { t.go(); h(); Tool::new().go(); kit::help(); "
            "serde::parse(); crate::kit::help(); }\n",
            "src/kit.rs": "pub struct Tool { inner: Inner }\nstruct Inner;\nimpl Inner { fn deep(&self) {} }\n"
            "impl Tool {\n  pub fn new() -> Self { Tool {} }\n  pub fn go(&self) { self.inner.deep(); }\n"
            "}\npub fn help() {}\n",
        },
        {"src/lib.rs:4 go": "src/kit.rs Tool.go", "src/lib.rs:4 h": "src/kit.rs help",
         "src/lib.rs:4 new": "src/kit.rs Tool.new", "src/lib.rs:4 help": "src/kit.rs help",
         "src/lib.rs:4 parse": "serde", "src/kit.rs:6 deep": "src/kit.rs Inner.deep"},
    ),
    "c": (
        {
            "kit.h": "struct box { int a; };\nint open_box(struct box *b);\n",
            "kit.c": '#include "kit.h"\nstatic int inner(void) { return 1; }\n'
            'int open_box(struct box *b) { return inner(); }\n',
            "main.c": '#include <stdio.h>\n#include "kit.h"\n#define TWICE(x) x\n'
            'int main(void) { struct box b; printf("x"); '
            "return TWICE(open_box(&b)); }\n",
        },
        {"kit.c:3 inner": "kit.c inner", "main.c:4 printf": "", "main.c:4 TWICE": "main.c TWICE",
         "main.c:4 open_box": "kit.c open_box"},
    ),
    "cpp": (
        {
            "kit.hpp": "namespace n {\nclass Base { public: void help() {} };\n"
            "class Tool : public Base { public: Tool* next(); void go() { help(); this->next(); } };\n}\n",
            "main.cpp": '#include "kit.hpp"\nint f(n::Tool& t) { t.go(); t.next()->go(); t.help(); return 1; }\n',
        },
        {"kit.hpp:3 help": "kit.hpp n.Base.help", "kit.hpp:3 next": "kit.hpp n.Tool.next",
         "main.cpp:2 go": "kit.hpp n.Tool.go", "main.cpp:2 next": "kit.hpp n.Tool.next",
         "main.cpp:2 help": "kit.hpp n.Base.help"},
    ),
    "sql": (
        {
            "1.sql": "-- All people.\nCREATE TABLE IF NOT EXISTS app.people (id int);\n"
            "CREATE OR REPLACE FUNCTION count_them() "
            "RETURNS int LANGUAGE sql AS $$ SELECT count(*) FROM people $$;\n",
            "2.sql": "CREATE VIEW seen AS SELECT count_them(), 'FROM nothing()' FROM \"people\";\n",
        },
        {"1.sql:3 count": "", "2.sql:1 count_them": "1.sql count_them"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_calls_of_other_languages_lead_where_they_should(name: str) -> None:
    files, expected = OTHERS[name]
    assert calls(files) == expected


def test_sql_tables_are_used_and_come_with_their_comment() -> None:
    files = OTHERS["sql"][0]
    uses = {(one.path, one.name, one.to_path) for one in references(files) if one.kind == "use"}
    assert uses == {("1.sql", "people", "1.sql"), ("2.sql", "people", "1.sql")}
    table = parsed(files)["1.sql"].symbols[0]
    assert (table.name, table.kind, table.docstring, table.line) == ("people", "table", "All people.", 2)


def test_prose_objects_have_keys_placeholders_and_includes() -> None:
    files = {
        "Doc/G/nda.prose.md": "Ti=NDA\nSec=The {P1.Name} and {Term} and {Missing}.\nP1.=[G/party]\n"
        "=[G/terms.prose.md]\n",
        "Doc/G/party.prose.md": "Name=Acme\n",
        "Doc/G/terms.prose.md": "Term=two years from {Ti}\n=[G/nda.prose.md]\n",
    }
    files["Doc/G/party/0.prose.md"] = ""
    found = {(one.path[6:9], one.name): (one.to_path[6:9], one.to_name) for one in references(files)
             if one.kind == "use"}  # fmt: skip
    assert found == {("nda", "P1.Name"): ("", ""), ("nda", "Term"): ("ter", "Term"), ("nda", "Missing"): ("", ""),
                     ("ter", "Ti"): ("nda", "Ti")}  # fmt: skip
    assert dependencies_of(references(files), {}).cycles == [["Doc/G/nda.prose.md", "Doc/G/terms.prose.md"]]


def test_markdown_is_sections_and_its_links_are_dependencies() -> None:
    files = {"docs/a.md": "# One\n\ntext [b](../b.md#x)\n\n```sh\n# no heading\n```\n\nTwo *words*\n---\n\n"
    "### Deep\nend\n# Last\n",
             "b.md": ""}  # fmt: skip
    symbols = parsed(files)["docs/a.md"].symbols
    assert [(one.qualified_name, one.line, one.end_line) for one in symbols] == [
        ("One", 1, 13), ("One > Two words", 9, 13), ("One > Two words > Deep", 12, 13), ("Last", 14, 15),
    ]  # fmt: skip
    assert dependencies_of(references(files), {}).files == [("docs/a.md", "b.md")]


def test_files_and_packages_depend_and_cycles_are_whole_components() -> None:
    files = {
        "a.py": "import b\nimport numpy as np\n", "b.py": "import c\n", "c.py": "import a\n", "d.py": "import a\n",
        "pyproject.toml": '[project]\ndependencies = ["Some_Thing>=1", "numpy"]\n',
    }  # fmt: skip
    found = dependencies_of(references(files), {"pyproject.toml": files["pyproject.toml"].encode()})
    assert found.files == [("a.py", "b.py"), ("b.py", "c.py"), ("c.py", "a.py"), ("d.py", "a.py")]
    assert found.packages == [("a.py", "numpy"), ("pyproject.toml", "numpy"), ("pyproject.toml", "some-thing")]
    assert found.cycles == [["a.py", "b.py", "c.py"]]


def test_components_are_those_of_any_graph() -> None:
    assert cycles({1: [2], 2: [3], 3: [1, 4], 4: [5], 5: [4], 6: [6], 7: [1]}) == [[4, 5], [1, 2, 3], [6]]
    assert cycles({number: [number + 1] for number in range(50_000)} | {50_000: [0]})[0][0] == 0


@pytest.mark.parametrize(
    ("name", "content", "packages"),
    [
        ("requirements-dev.txt", "a==1 # x\n-r other\nB_c[x]>=2; python_version>'3'\n", ["a", "b-c"]),
        ("package.json", '{"dependencies": {"x": "1"}, "devDependencies": {"@a/b": "2"}}', ["@a/b", "x"]),
        (
            "go.mod",
            "module m.org/a\nrequire a.org/b v1\nrequire (\n\tc.org/d v2 // indirect\n)\n",
            ["a.org/b", "c.org/d"],
        ),
        ("Cargo.toml", '[dependencies]\nserde = "1"\n[dev-dependencies.x]\nversion = "1"\n', ["serde", "x"]),
        ("pom.xml", "<dependency><groupId>g</groupId><artifactId>a</artifactId></dependency>", ["g:a"]),
        ("build.gradle", "implementation 'g:a:1'\n", ["g:a"]),
        ("setup.cfg", "[options]\ninstall_requires =\n    a>1\n    b\n[x]\n", ["a", "b"]),
        ("pyproject.toml", "not [ toml", []),
        ("package.json", "[" * 100_000, []),
        ("other.json", '{"dependencies": {"x": "1"}}', []),
    ],
)
def test_manifests_say_what_is_needed(name: str, content: str, packages: list[str]) -> None:
    assert packages_of(name, content.encode()) == packages


def test_symbols_have_signature_docstring_and_visibility() -> None:
    files = {"a.py": 'class A:\n    """Says.\n\n    More."""\n    @property\n'
    '    def _f(self, x: int = 1) -> str:\n        "Doc"\n',
             "a.go": "package a\n\n// Do does.\n// Twice.\nfunc Do(a int) string { return \"\" }\n",
             "a.ts": "/** Says. */\nexport async function f(a: number) {}\n"}  # fmt: skip
    found = {one.qualified_name: one for each in parsed(files).values() for one in each.symbols}
    assert (found["A"].docstring, found["A"].signature) == ("Says.\n\nMore.", "class A")
    assert (found["A._f"].kind, found["A._f"].visibility, found["A._f"].marks) == (
        "method",
        "private",
        ("property",),
    )
    assert found["A._f"].signature == "def _f(self, x: int = 1) -> str"
    assert (found["Do"].docstring, found["Do"].visibility) == ("Do does.\nTwice.", "exported")
    assert (found["f"].docstring, found["f"].visibility) == ("Says.", "exported")


def test_the_same_name_twice_in_a_file_is_told_apart_by_its_ordinal() -> None:
    symbols = parsed({"a.py": "if x:\n    def f(): pass\nelse:\n    def f(): pass\n"})["a.py"].symbols
    assert [(one.qualified_name, one.ordinal) for one in symbols] == [("f", 0), ("f", 1)]
