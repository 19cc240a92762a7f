"""Messages between the extractor and its child: JSON, each with its length in front. Nothing in them is code."""

import json
import struct
from typing import Any, BinaryIO

LENGTH = struct.Struct(">Q")


def write_frame(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Write a message and send it off."""
    content = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    stream.write(LENGTH.pack(len(content)) + content)
    stream.flush()


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message; None where the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = stream.read(length)
    if len(content) < length:
        return None
    message: dict[str, Any] = json.loads(content)
    return message
