"""Whether a downloaded file is whole: a body that was cut off without a word is not what the publisher has.

A server that names no length, or one behind a proxy that ends the connection in good order, leaves no other trace.
"""

import json
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from lzma import LZMAError
from pathlib import Path

_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError)
_PARQUET = b"PAR1"


class Unsound(Exception):
    """Why a file is not whole.

    `cut_off`: what is there may be good as far as it goes; `foreign`: it is something else than its name says.
    """

    def __init__(self, reason: str, *, cut_off: bool = False, foreign: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off
        self.foreign = foreign


def check_ending(path: Path, name: str) -> None:
    """Look at what a file of this name must end with; quick. Raises Unsound."""
    check = _ENDINGS.get(Path(name).suffix.lower())
    if check:
        check(path)


def check_whole(path: Path, name: str) -> None:
    """Look at all of a file of this name: reads a zip to the last checksum, and JSON to the last brace.

    Raises Unsound. What neither check understands (another format, an encrypted member) is left to the parser.
    """
    check_ending(path, name)
    with suppress(NotImplementedError):  # a later version of zip: reported by the parser
        _check_all(path, name)


def _check_all(path: Path, name: str) -> None:
    check = _WHOLE.get(Path(name).suffix.lower())
    if check:
        check(path)


def _zip_ending(path: Path) -> None:
    """The directory of a zip is at its end."""
    with path.open("rb") as file:
        beginning = file.read(4)
    begins = beginning == b"PK\x03\x04"
    try:
        with zipfile.ZipFile(path) as archive:
            first = min((member.header_offset for member in archive.infolist()), default=0)
    except NotImplementedError:  # a later version of zip: reported by the parser
        return
    except _DAMAGE as error:
        foreign = bool(beginning) and not begins
        raise Unsound(f"the zip archive has no sound end ({error})", cut_off=begins, foreign=foreign) from None
    if begins and first:  # the end is that of a zip inside this one
        raise Unsound("the zip archive has no sound end (it has that of a member)", cut_off=True)


def _zip_members(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            try:
                with archive.open(member) as stream:
                    while stream.read(_CHUNK):
                        pass
            except RuntimeError:  # encrypted, or a method that Python lacks: not for us to judge
                continue
            except _DAMAGE as error:
                raise Unsound(f"the member {member.filename!r} is damaged ({error})") from None


def _json(path: Path) -> None:
    try:
        json.loads(path.read_bytes())
    except ValueError as error:
        raise Unsound(f"the JSON ends early or is damaged ({error})") from None


def _json_lines(path: Path) -> None:
    lines = path.read_bytes().splitlines()
    try:
        json.loads(lines[-1] if lines else b"")
    except ValueError as error:
        raise Unsound(f"the last line is no JSON ({error})", cut_off=True) from None


def _parquet(path: Path) -> None:
    with path.open("rb") as file:
        beginning = file.read(4)
        file.seek(max(path.stat().st_size - 4, 0))
        ending = file.read(4)
    if (beginning, ending) != (_PARQUET, _PARQUET):
        foreign = bool(beginning) and beginning != _PARQUET
        raise Unsound("the Parquet file has no sound end", cut_off=not foreign, foreign=foreign)


_ENDINGS: dict[str, Callable[[Path], None]] = {".zip": _zip_ending, ".parquet": _parquet}
_WHOLE: dict[str, Callable[[Path], None]] = {".zip": _zip_members, ".json": _json, ".jsonl": _json_lines}
