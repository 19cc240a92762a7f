"""A text's content: cleaned, hashed, and its tokens estimated."""

import hashlib
import re

REPLACEMENT = "\ufffd"


UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


_TOKEN_LIKE = re.compile(r"[A-Za-z]{1,5}|[^\sA-Za-z]|\s{2,}")


def clean_text(text: str) -> str:
    """Replace what PostgreSQL cannot store (NUL, lone surrogates) by U+FFFD, one for one.

    The length stays, so character offsets into the text stay right.
    """
    return UNSTORABLE.sub(REPLACEMENT, text)


def content_hash(text: str) -> bytes:
    """SHA-256 of the text in UTF-8: 32 bytes. The text must be clean."""
    return hashlib.sha256(text.encode()).digest()


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text without a tokenizer, on the high side.

    Counts runs of at most five ASCII letters, every other visible character, and every longer white
    space. On 6.3 million characters of contracts this gave 1.07 times the tokens that Llama's BPE counts.
    """
    return len(_TOKEN_LIKE.findall(text))
