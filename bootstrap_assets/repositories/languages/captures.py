"""Reads a syntax tree by one query: what it captures becomes symbols, scopes, bindings and references.

Each pattern of a language's query has one capture that says what it is, and others that name its parts:

    definition.KIND   a symbol; @name, and @body where it opens a scope, @parameters, @returns, @owner
    scope.KIND        a scope without a symbol; @parameters, @owner
    bind.HOW          @target gets a value: @value, @element, @entered, @type, none of them
    reference.KIND    the chain of the captured node refers to something
    types             a type annotation, in which every name is a use
    returned, yielded, global, import, export, package
"""

from collections.abc import Iterator
from functools import cached_property

from tree_sitter import Language, Node, Parser, Query, QueryCursor

from bootstrap_assets.repositories.languages.chains import ChainRules, one_line, text
from bootstrap_assets.repositories.languages.drafts import Draft
from bootstrap_assets.repositories.languages.events import (
    DOCSTRING,
    Captures,
    Event,
    comments_above,
    each_once,
    first,
    first_error,
    place,
)
from bootstrap_assets.repositories.symbols import CLASSES, Binding, Finding, Import, Kind, Parsed, ReferenceKind

_OPENING = ("definition", "scope")


class TreeLanguage:
    """A language with a grammar. Subclasses give the query and say what differs."""

    name: str
    rules: ChainRules
    query: str
    has_member_variables = False
    separator = "."

    def grammar(self) -> object:
        """The grammar's own pointer, as its wheel gives it."""
        raise NotImplementedError

    def chain(self, node: Node | None) -> str:
        """The chain of an expression."""
        return self.rules.chain(node, self.leaf)

    def chains(self, node: Node | None) -> Iterator[str]:
        """The chains of an expression with alternatives."""
        return self.rules.chains(node, self.leaf)

    def leaf(self, node: Node) -> str | None:
        """What an expression of the language's own is in a chain; None where the rules know it."""
        return None

    def imports(self, node: Node) -> Iterator[Import]:
        """What an import statement brings; `scope` is filled in by the reader."""
        yield from ()

    def parameters(self, node: Node) -> Iterator[Binding]:
        """The bindings of a list of parameters; `scope` is filled in by the reader."""
        yield from ()

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """The names that a target binds, and whether it is the whole value that each gets."""
        yield self.chain(node), True

    def owner(self, captures: Captures) -> str:
        """The type that a definition outside of it belongs to."""
        return self.type_chain(first(captures, "owner"))

    def is_variable(self, captures: Captures) -> bool:
        """Whether what is bound at the level of a file or class is a symbol."""
        return True

    def type_chain(self, node: Node | None) -> str:
        """The chain of a type: its own name without arguments, with a `*` before it for many of them."""
        return self.chain(node) if node is not None else ""

    def type_uses(self, node: Node) -> Iterator[Node]:
        """The nodes in a type that name something."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.type in self.rules.leaves or one.type in self.rules.members:
                yield one
            else:
                waiting += reversed(one.named_children)

    def exports(self, node: Node) -> Iterator[Binding]:
        """What a statement exports under which name."""
        yield from ()

    def docstring(self, node: Node, captures: Captures) -> str:
        """What is written about a definition: here the comments right above it."""
        return comments_above(node)

    def visibility(self, name: str, node: Node) -> str:
        """`public`, `private` or what else the language says."""
        return "public"

    def marks(self, node: Node) -> tuple[str, ...]:
        """Decorators and modifiers of a definition."""
        return ()

    def kind(self, kind: Kind, name: str, inside: str) -> Kind:
        """The kind of a symbol by where it stands: a function in a class is a method."""
        if kind is Kind.FUNCTION and inside in ("class", "interface", "struct", "trait", "enum", "impl"):
            return Kind.METHOD
        return kind

    @cached_property
    def _language(self) -> Language:
        return Language(self.grammar())

    @cached_property
    def _compiled(self) -> Query:
        return Query(self._language, self.query)

    @cached_property
    def _parser(self) -> Parser:
        return Parser(self._language)

    def read(self, source: bytes) -> Parsed:
        """Everything that a file says; broken syntax is a finding, and what could be read stays."""
        tree = self._parser.parse(source)
        draft = Draft(self.name, self.separator)
        for start, end, _, main, node, captures in self._events(tree.root_node):
            draft.leave(start)
            self._take(draft, main, node, captures, -end)
        parsed = draft.finish(source.count(b"\n") + (not source.endswith(b"\n") and source != b""))
        if tree.root_node.has_error:
            line = first_error(tree.root_node)
            parsed.findings.append(Finding("broken_syntax", f"the syntax is broken, first in line {line}", line))
        return parsed

    def _events(self, root: Node) -> list[Event]:
        """The matches in the order of the text, outer ones first."""
        events = []
        for _, captures in QueryCursor(self._compiled).matches(root):
            main = next(name for name in captures if name.partition(".")[0] in _MAINS)
            node = captures[main][0]
            events.append((node.start_byte, -node.end_byte, not main.startswith(_OPENING), main, node, captures))
        events.sort(key=lambda event: event[:3])
        return list(each_once(events))

    def _take(self, draft: Draft, main: str, node: Node, captures: Captures, end: int) -> None:
        what, _, detail = main.partition(".")
        if what == "definition":
            self._define(draft, Kind(detail), node, captures, end)
        elif what == "scope":
            draft.open(
                detail, end, owner=self.owner(captures), name=draft.name_in_scope(text(first(captures, "name")))
            )
            self._parameters(draft, captures)
        elif what == "bind":
            self._bind(draft, captures)
        elif what == "reference":
            draft.mention(self._referred(node), ReferenceKind(detail), place(node))
        elif what == "types":
            for one in self.type_uses(node):
                draft.mention(self.chain(one), ReferenceKind.USE, place(one))
        else:
            self._say(draft, what, node)

    def _referred(self, node: Node) -> str:
        chain = self.chain(node)
        return chain.removesuffix("()") if node.type in self.rules.invocations else chain

    def _say(self, draft: Draft, what: str, node: Node) -> None:
        if what == "import":
            for one in self.imports(node):
                draft.bring(one)
        elif what == "export":
            for export in self.exports(node):
                draft.export(export)
        elif what == "global":
            draft.bind(text(node), "global")
        elif what == "package":
            draft.package = text(node)
        else:
            for chain in self.chains(node):
                draft.give_back(what, chain)

    def _define(self, draft: Draft, kind: Kind, node: Node, captures: Captures, end: int) -> None:
        name = self.defined_name(first(captures, "name"))
        if not name:
            return
        owner, body = self.owner(captures), first(captures, "body")
        kind = self.kind(kind, name, "class" if owner else draft.inside)
        draft.define(
            name=name,
            kind=kind,
            signature=_signature(node, body),
            docstring=self.docstring(node, captures)[:DOCSTRING],
            lines=(node.start_point[0] + 1, node.end_point[0] + 1),
            visibility=self.visibility(name, node),
            returns=self.type_chain(first(captures, "returns")),
            marks=self.marks(node),
            owner=owner,
            end=end if body is not None or kind in CLASSES or "parameters" in captures else None,
        )
        self._parameters(draft, captures)
        for value in captures.get("value", ()):
            for chain in self.chains(value):
                draft.bind_member(name, chain)

    def defined_name(self, node: Node | None) -> str:
        """The name of a definition, as its node has it."""
        return text(node)

    def _parameters(self, draft: Draft, captures: Captures) -> None:
        for node in captures.get("parameters", ()):
            for binding in self.parameters(node):
                draft.bind(binding.name, binding.how, binding.chain)

    def _bind(self, draft: Draft, captures: Captures) -> None:
        ways = [(how, node) for how in ("value", "element", "entered") for node in captures.get(how, ())]
        annotation = self.type_chain(first(captures, "type"))
        target = captures["target"][0]
        for name, is_whole in self.targets(target):
            if self.has_member_variables and self.is_variable(captures):
                draft.variable(name, target.start_point[0] + 1, _signature(target.parent or target, None))
            if annotation:
                draft.bind(name, "type", annotation)
            elif not ways or not is_whole:
                draft.bind(name, "parameter")
            else:
                for how, node in ways:
                    for chain in self.chains(node):
                        draft.bind(name, how, chain)


_MAINS = frozenset("definition scope bind reference types returned yielded global import export package".split())


def _signature(node: Node, body: Node | None) -> str:
    raw = node.text or b""
    return one_line(raw[: body.start_byte - node.start_byte] if body else raw).rstrip(" :{=")
