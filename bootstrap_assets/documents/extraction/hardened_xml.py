"""XML without its dangers: no DTD, no entities, nothing fetched, no depth that would exhaust a stack."""

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from bootstrap_assets.documents.extraction.model import Reason, Refusal

MOST_DEPTH = 200
"""How deep elements may be nested; Word's own documents stay below 50."""


def parse_xml(content: bytes, name: str) -> Element:
    """The root of an XML part, names as `{namespace}local`. Raises Refusal for a DTD and for unsound XML."""
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise Refusal(Reason.UNSAFE, f"nests the elements of {name!r} deeper than {MOST_DEPTH}")
        builder.start(_name(tag), {_name(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_name(tag))

    def refuse(*_declaration: object) -> NoReturn:
        message = f"declares a DTD or entities in {name!r}, which no document needs: it is not read"
        raise Refusal(Reason.UNSAFE, message)

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise Refusal(Reason.DAMAGED, f"has a damaged part {name!r} ({error}): save it again") from error
    return builder.close()


def _name(tag: str) -> str:
    return "{" + tag if "}" in tag else tag
