"""Reading zip archives and files from the network without trusting them, and without unpacking to disk.

What a hostile or broken archive can hold is refused with an `ArchiveError` that names the file and the member: a
member outside its folder, a link, an absurd unpacked size, damage, or a file that is no zip at all
(`NotAnArchiveError`). A member that only cannot be read *here* (`UnreadableMemberError`) costs no other member.
"""

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from bootstrap_assets.corpus.records import Finding, Severity
from bootstrap_assets.errors import ArchiveError, NotAnArchiveError, UnreadableMemberError
from bootstrap_assets.sources.fetch.zip_members import (
    canonical,
    danger,
    is_folder,
    is_litter,
    obstacle,
    written_name,
)
from bootstrap_assets.sources.text_encoding import Decoded, UnknownEncoding, decode

MAX_UNPACKED_BYTES = 2 * 1024**3
"""Largest sum of the declared sizes of all members, and largest single file: 2 GiB."""

_CHUNK = 1024**2
_UNSUPPORTED = "uses a feature of zip that Python lacks ({}): unpack it with 7-Zip or unzip, and pack it again"
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError),
    *(RuntimeError, LookupError, OverflowError, MemoryError),
)
"""What zipfile and its decompressors raise on damaged input."""

_KINDS = (
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
)


class Archive:
    """An open zip archive whose members have all been found safe; made by `open_archive`.

    Members go by their canonical names (`zip_members.canonical`), whatever system packed them.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self._texts: dict[str, Decoded] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._repeats: dict[str, None] = {}
        for info in archive.infolist():
            name = canonical(written_name(info))
            if not name or is_folder(info) or is_litter(name):
                continue
            if name in self._members:
                self._repeats.setdefault(name)
            self._members[name] = info

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(self._members))

    def names(self) -> list[str]:
        """The full names of the files in the archive, sorted, without folders and the systems' own files."""
        return list(self._names)

    @cached_property
    def top(self) -> str:
        """The one folder that holds everything, with its slash (`Name-main/`); empty if there is none."""
        tops = {name.partition("/")[0] for name in self._members if "/" in name}
        flat = any("/" not in name for name in self._members)
        return f"{tops.pop()}/" if len(tops) == 1 and not flat else ""

    def below(self, folder: str = "") -> dict[str, str]:
        """The files below a folder of the top folder: their path from that folder on, and their full name."""
        prefix = self.top + (f"{folder.strip('/')}/" if folder.strip("/") else "")
        return {name.removeprefix(prefix): name for name in self._names if name.startswith(prefix)}

    def listing(self, most: int = 8) -> str:
        """Some of the names, for a message; with a word on archives within the archive."""
        names = ", ".join(self._names[:most]) or "nothing"
        more = f" and {len(self._names) - most:,} more" if len(self._names) > most else ""
        inner = [name for name in self._names if name.lower().endswith(".zip")]
        advice = f"; an archive in it, {inner[0]}, is not looked into: unpack that one" if inner else ""
        return f"{names}{more}{advice}"

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises ArchiveError if it is missing, damaged or not as long as declared.

        Raises UnreadableMemberError if it is encrypted, or compressed by a method that Python lacks.
        """
        info = self._members.get(canonical(name))
        if info is None:
            raise ArchiveError(f"{self.path.name}: there is no member {name!r} in the archive")
        problem = obstacle(info)
        if problem:
            raise UnreadableMemberError(f"{self.path.name}: member {name!r} {problem}")
        try:
            content = self._unpack(info)
        except NotImplementedError as error:
            problem = _UNSUPPORTED.format(error)
            raise UnreadableMemberError(f"{self.path.name}: member {name!r} {problem}") from error
        except _DAMAGE as error:
            raise ArchiveError(f"{self.path.name}: member {name!r} is damaged: {error}") from error
        if len(content) != info.file_size:
            raise ArchiveError(
                f"{self.path.name}: member {name!r} is cut off: {len(content):,} of {info.file_size:,} bytes"
            )
        return content

    def content(self, name: str) -> Decoded:
        """A member as text, and how it was read. Raises UnreadableMemberError for an unknown encoding."""
        try:
            return decode(self.read(name))
        except UnknownEncoding as error:
            raise UnreadableMemberError(f"{self.path.name}: member {name!r} {error}") from None

    def text(self, name: str) -> str:
        """A member as text, without byte order mark; `findings` tells what was not certain about it."""
        content = self.content(name)
        self._texts[name] = content._replace(text="")
        return content.text

    def findings(self, source: str) -> list[Finding]:
        """What was not certain about the members read as text so far, as warnings of the given source."""
        message = "is in the archive twice: the last one is taken"
        return [
            *(
                Finding(source, Severity.WARNING, "repeated_member", message, f"{self.path.name}: {name}")
                for name in self._repeats
            ),
            *(
                finding
                for name, content in self._texts.items()
                for finding in content.findings(source, f"{self.path.name}: {name}")
            ),
        ]

    def _unpack(self, info: zipfile.ZipInfo) -> bytes:
        # In pieces: a header that lies about the size must not make zlib unpack gigabytes at one go.
        with self._archive.open(info) as stream:
            return b"".join(iter(lambda: stream.read(_CHUNK), b""))


@contextmanager
def open_archive(
    path: Path,
    limit: int = MAX_UNPACKED_BYTES,
    belongs: Callable[[Archive], None] = lambda _archive: None,
) -> Iterator[Archive]:
    """Open a zip archive for reading, after looking at every member's name, kind and declared size.

    `belongs` may look at the names first, and raise for an archive of somebody else's, which then is refused for
    that alone. Raises ArchiveError naming the file, and the member where there is one.
    """
    try:
        archive = zipfile.ZipFile(path)
    except NotImplementedError as error:
        raise ArchiveError(f"{path.name}: {_UNSUPPORTED.format(error)}") from error
    except _DAMAGE as error:
        raise _no_zip(path, error) from error
    with archive:
        ours = Archive(path, archive)
        belongs(ours)
        _refuse_unsafe(path, archive.infolist(), limit)
        yield ours


def read_file(path: Path) -> Decoded:
    """A single file as text, and how it was read.

    Raises ArchiveError if the file is unreadable, empty, larger than 2 GiB, an HTML page or no text.
    """
    try:
        size = path.stat().st_size
        if size > MAX_UNPACKED_BYTES:
            raise ArchiveError(f"{path.name}: {size:,} bytes are more than the limit of {MAX_UNPACKED_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise NotAnArchiveError(f"{path.name}: the file is empty; delete it and download it again")
    if is_html(content[:1024]):
        raise NotAnArchiveError(f"{path.name}: this is an HTML page (a login or error page?), not a data file")
    try:
        return decode(content)
    except UnknownEncoding as error:
        raise UnreadableMemberError(f"{path.name}: {error}") from None


def _refuse_unsafe(path: Path, members: list[zipfile.ZipInfo], limit: int) -> None:
    for info in members:
        problem = danger(info)
        if problem:
            raise ArchiveError(f"{path.name}: member {info.orig_filename!r} {problem}")
    files = [info for info in members if not is_folder(info)]
    total = sum(info.file_size for info in files)
    if total > limit:
        raise ArchiveError(f"{path.name}: its members would unpack to {total:,} bytes; the limit is {limit:,}")
    problems = [obstacle(info) for info in files]
    if files and all(problems):
        raise ArchiveError(f"{path.name}: member {files[0].orig_filename!r} {problems[0]}")


def is_html(start: bytes) -> bool:
    """Whether bytes are the beginning of a web page."""
    return bool(
        re.match(
            rb"(?:\xef\xbb\xbf)?\s*(?:(?:<!--(?>.*?-->)|<\?xml(?>.*?\?>))\s*)*+<(?:!doctype\s+html|html|head|body)\b",
            start,
            re.IGNORECASE | re.DOTALL,
        )
    )


def _no_zip(path: Path, error: BaseException) -> ArchiveError:
    """What a file is that zipfile would not open, in the user's words."""
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as unreadable:
        return ArchiveError(f"{path.name}: cannot be read: {unreadable.strerror or unreadable}")
    if not start:
        return NotAnArchiveError(f"{path.name}: the file is empty; delete it and download it again")
    if start.startswith(b"PK\x07\x08"):
        return ArchiveError(f"{path.name}: this is one part of a split zip archive: join the parts (`zip -s 0`)")
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ArchiveError(
            f"{path.name}: the zip archive is truncated or damaged ({error}); delete it and download it again"
        )
    if is_html(start):
        return NotAnArchiveError(f"{path.name}: this is an HTML page (a login or error page?), not a zip archive")
    if start.lstrip().startswith((b"{", b"[")):
        return NotAnArchiveError(f"{path.name}: this is JSON (an error message of the server?), not a zip archive")
    kind = next((f"this is {kind}" for magic, kind in _KINDS if start.startswith(magic)), "this is")
    return NotAnArchiveError(f"{path.name}: {kind}{',' if kind != 'this is' else ''} not a zip archive ({error})")
