"""JSON as people write it into settings: with comments and trailing commas."""

import json
import re
from typing import Any

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*+"?)|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TRAILING = re.compile(r",(\s*+[}\]])")


def read_json(content: bytes) -> dict[str, Any]:
    """A JSON object, with the comments and trailing commas that tsconfig.json may have; empty for anything
    else."""
    plain = _COMMENT.sub(lambda match: match[1] or "", content.decode("utf-8-sig", "replace"))
    try:
        document = json.loads(_TRAILING.sub(r"\1", plain))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
