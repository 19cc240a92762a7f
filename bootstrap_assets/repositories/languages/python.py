"""Python."""

from collections.abc import Iterator

import tree_sitter_python
from tree_sitter import Node

from bootstrap_assets.repositories.languages.captures import TreeLanguage
from bootstrap_assets.repositories.languages.chains import ChainRules, child, text
from bootstrap_assets.repositories.languages.events import Captures
from bootstrap_assets.repositories.symbols import Binding, Import

_QUERY = """
(function_definition name: (_) @name parameters: (_) @parameters return_type: (_)? @returns body: (_) @body)
  @definition.function
(class_definition name: (_) @name body: (_) @body) @definition.class
(class_definition superclasses: (argument_list [(identifier) (attribute) (subscript) (call)]
@reference.inheritance))
(lambda parameters: (_)? @parameters) @scope.lambda
[(list_comprehension) (set_comprehension) (dictionary_comprehension) (generator_expression)] @scope.comprehension
(assignment left: (_) @target type: (_)? @type right: (_)? @value) @bind
(augmented_assignment left: (identifier) @target) @bind
(named_expression name: (_) @target value: (_) @value) @bind
(for_statement left: (_) @target right: (_) @element) @bind
(for_in_clause left: (_) @target right: (_) @element) @bind
(with_item value: (as_pattern . (_) @entered alias: (as_pattern_target (_) @target))) @bind
(except_clause value: (as_pattern . (_) @type alias: (as_pattern_target (_) @target))) @bind
(case_pattern (as_pattern alias: (_) @target)) @bind
(return_statement (_) @returned)
(yield (_) @yielded)
(global_statement (identifier) @global)
(decorator [(identifier) (attribute)] @reference.use)
(raise_statement . [(identifier) (attribute)] @reference.use)
(except_clause value: [(identifier) (attribute)] @reference.use)
(argument_list [(identifier) (attribute)] @reference.use)
(keyword_argument value: [(identifier) (attribute)] @reference.use)
(call function: (_) @reference.call)
(type) @types
[(import_statement) (import_from_statement) (future_import_statement)] @import
"""

_MANY = frozenset(
    "list List Iterable Iterator Sequence set Set frozenset tuple Tuple Generator Collection deque".split()
)
_INNER = frozenset({"Optional", "Annotated", "Final", "ClassVar", "Awaitable", "Coroutine"})


class Python(TreeLanguage):
    """Python 3: functions, classes, and the variables of modules and classes."""

    name = "python"
    query = _QUERY
    has_member_variables = True
    rules = ChainRules(
        members={"attribute": ("object", "attribute")},
        calls={"call": "function"},
        elements={"subscript": "value"},
        wraps=frozenset({"parenthesized_expression", "await", "as_pattern_target"}),
        literals={
            "string": "str",
            "concatenated_string": "str",
            "integer": "int",
            "float": "float",
            "list": "list",
            "list_comprehension": "list",
            "dictionary": "dict",
            "dictionary_comprehension": "dict",
            "set": "set",
            "tuple": "tuple",
            "expression_list": "tuple",
            "none": "none",
            "true": "bool",
            "false": "bool",
            "comparison_operator": "bool",
            "not_operator": "bool",
        },
        choices={"conditional_expression": (0, 2), "boolean_operator": (0, 1)},
    )

    def grammar(self) -> object:
        """The grammar's pointer."""
        return tree_sitter_python.language()

    def targets(self, node: Node) -> Iterator[tuple[str, bool]]:
        """Names and attributes; in `a, *b = …` each gets a part."""
        waiting, is_whole = [node], True
        while waiting:
            one = waiting.pop(0)
            if one.type in ("identifier", "attribute"):
                yield self.chain(one), is_whole
            elif one.type in _PATTERNS:
                is_whole = is_whole and one.type in ("parenthesized_expression", "as_pattern_target")
                waiting[:0] = one.named_children

    def parameters(self, node: Node) -> Iterator[Binding]:
        """Each parameter, with its type where it says one."""
        for number, one in enumerate(node.named_children):
            name = one.child_by_field_name("name") or (one if one.type == "identifier" else child(one))
            if name is None or one.type == "comment":
                continue
            starred = name.type in ("list_splat_pattern", "dictionary_splat_pattern") or "splat" in one.type
            inner = child(name) if name.type.endswith("splat_pattern") else name
            kind = one.child_by_field_name("type")
            if kind is not None and not starred:
                yield Binding(0, text(inner), "type", self.type_chain(kind))
            else:
                is_first = number == 0 and one.type == "identifier"
                yield Binding(0, text(inner), "first" if is_first else "parameter", "")

    def imports(self, node: Node) -> Iterator[Import]:
        """`import a.b as c`, `from ..a import b as c`, `from a import *`."""
        module = node.child_by_field_name("module_name")
        origin = text(module) if module is not None else ""
        if node.type == "future_import_statement":
            origin = "__future__"
        elif node.type == "import_from_statement" and any(one.type == "wildcard_import" for one in node.children):
            yield Import(origin, "*", "", node.start_point[0] + 1, node.start_point[1])
        for one in node.children_by_field_name("name"):
            name_node = one.child_by_field_name("name") if one.type == "aliased_import" else one
            alias = text(one.child_by_field_name("alias")) if one.type == "aliased_import" else ""
            line, column = one.start_point[0] + 1, one.start_point[1]
            dotted = "".join(text(name_node).split())
            if origin:
                yield Import(origin, dotted, alias or dotted, line, column)
            else:
                yield Import(dotted, "", alias or dotted.partition(".")[0], line, column)

    def docstring(self, node: Node, captures: Captures) -> str:
        """The string that a body begins with."""
        body = captures["body"][0] if captures.get("body") else None
        first = next((one for one in body.named_children if one.type != "comment"), None) if body else None
        string = child(first) if first is not None and first.type == "expression_statement" else None
        if string is None or string.type != "string":
            return ""
        lines = [line.strip() for line in "".join(map(_content, string.named_children)).strip().split("\n")]
        return "\n".join(lines)

    def visibility(self, name: str, node: Node) -> str:
        """By the underscore before a name; what Python itself calls by name is public."""
        return "private" if name.startswith("_") and not name.endswith("__") else "public"

    def marks(self, node: Node) -> tuple[str, ...]:
        """The decorators, without arguments, and `async`."""
        outer = node.parent
        decorators = outer.named_children if outer is not None and outer.type == "decorated_definition" else []
        chains = [self.chain(child(one)) for one in decorators if one.type == "decorator"]
        return tuple(chain.removesuffix("()") for chain in chains)

    def type_chain(self, node: Node | None) -> str:
        """The class that a type comes down to: of `Foo | None` and `"Foo"`, `Foo`; of `list[Foo]`, `*Foo`."""
        for _ in range(6):
            if node is None or node.type in ("identifier", "attribute"):
                break
            if node.type == "string":
                inner = "".join(map(_content, node.named_children))
                return inner if inner.replace(".", "").isidentifier() else "<?>"
            if node.type in ("generic_type", "subscript"):
                name = self.chain(child(node)).rpartition(".")[2]
                argument = child(node, 1)
                if argument is not None and argument.type == "type_parameter":
                    argument = child(argument)
                if name in _MANY:
                    return "*" + self.type_chain(argument).lstrip("*")
                node = argument if name in _INNER else child(node)
            elif node.type in ("binary_operator", "union_type"):
                node = next((one for one in node.named_children if text(one) != "None"), None)
            else:
                node = child(node)
        return self.chain(node) if node is not None else ""


_PATTERNS = frozenset(
    "pattern_list tuple_pattern list_pattern list_splat_pattern parenthesized_expression as_pattern_target "
    "tuple list".split()
)


def _content(node: Node) -> str:
    raw = node.text if node.type == "string_content" else None
    return raw.decode("utf-8", "replace") if raw else ""
