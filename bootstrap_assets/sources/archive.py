"""Reading zip archives and files from the network without trusting them, and without unpacking to disk.

Everything that a hostile or broken archive can hold is refused with an `ArchiveError` that names the
file and the member: a member outside its folder, a link, an absurd unpacked size, an encrypted member,
a damaged one, or a file that is no zip at all.
"""

import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap_assets.errors import ArchiveError
from bootstrap_assets.records import REPLACEMENT, Finding, Severity

MAX_UNPACKED_BYTES = 2 * 1024**3
"""Largest sum of the declared sizes of all members, and largest single file: 2 GiB."""

MAX_RATIO = 200
"""Largest compression ratio of a big member; JSON and prose stay far below it (deflate cannot pass 1032)."""

RATIO_MATTERS_FROM = 10 * 1024**2
"""Size in bytes from which a member's ratio is looked at: small members of repeated text are harmless."""

_CHUNK = 1024**2
_ENCRYPTED = 0x1 | 0x40
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
"""What zipfile and its decompressors raise on damaged input (NotImplementedError is a RuntimeError)."""


class Archive:
    """An open zip archive whose members have all been found safe; made by `open_archive`.

    `invalid` counts, per member read as text, the invalid UTF-8 sequences that became U+FFFD.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.invalid: dict[str, int] = {}
        self._archive = archive
        self._members = {
            info.filename: info
            for info in archive.infolist()
            if not info.is_dir() and not _is_litter(info.filename)
        }

    def names(self) -> list[str]:
        """The full names of the files in the archive, sorted, without folders and macOS's shadow files."""
        return sorted(self._members)

    @property
    def top(self) -> str:
        """The one folder that holds everything, with its slash (`Name-main/`); empty if there is none."""
        tops = {name.partition("/")[0] for name in self._members if "/" in name}
        flat = any("/" not in name for name in self._members)
        return f"{tops.pop()}/" if len(tops) == 1 and not flat else ""

    def below(self, folder: str = "") -> dict[str, str]:
        """The files below a folder of the top folder: their path from that folder on, and their full name."""
        prefix = self.top + (f"{folder.strip('/')}/" if folder.strip("/") else "")
        return {name.removeprefix(prefix): name for name in self.names() if name.startswith(prefix)}

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises ArchiveError if it is missing, damaged or not as long as declared."""
        info = self._members.get(name)
        if info is None:
            raise ArchiveError(f"{self.path.name}: there is no member {name!r} in the archive")
        try:
            content = self._unpack(info)
        except _DAMAGE as error:
            raise ArchiveError(f"{self.path.name}: member {name!r} is damaged: {error}") from error
        if len(content) != info.file_size:
            raise ArchiveError(
                f"{self.path.name}: member {name!r} is cut off: {len(content):,} of {info.file_size:,} bytes"
            )
        return content

    def text(self, name: str) -> str:
        """A member as UTF-8 text, without byte order mark; what is invalid becomes U+FFFD and is counted."""
        text, invalid = decode(self.read(name))
        if invalid:
            self.invalid[name] = invalid
        return text

    def findings(self, source: str) -> list[Finding]:
        """What was lossy in the members read so far, as warnings of the given source."""
        return [invalid_utf8(source, f"{self.path.name}: {name}", count) for name, count in self.invalid.items()]

    def _unpack(self, info: zipfile.ZipInfo) -> bytes:
        # In pieces: a header that lies about the size must not make zlib unpack gigabytes at one go.
        with self._archive.open(info) as stream:
            return b"".join(iter(lambda: stream.read(_CHUNK), b""))


@contextmanager
def open_archive(path: Path, max_unpacked: int = MAX_UNPACKED_BYTES) -> Iterator[Archive]:
    """Open a zip archive for reading, after looking at every member's name, kind and declared size.

    Raises ArchiveError naming the file, and the member where there is one.
    """
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise ArchiveError(_why_not_a_zip(path, error)) from error
    with archive:
        _refuse_unsafe(path, archive.infolist(), max_unpacked)
        yield Archive(path, archive)


def read_file(path: Path) -> tuple[str, int]:
    """A single file as text, and how many invalid UTF-8 sequences became U+FFFD.

    Raises ArchiveError if the file is unreadable, empty, larger than 2 GiB or an HTML page.
    """
    try:
        size = path.stat().st_size
        if size > MAX_UNPACKED_BYTES:
            raise ArchiveError(f"{path.name}: {size:,} bytes are more than the limit of {MAX_UNPACKED_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise ArchiveError(f"{path.name}: the file is empty; delete it and download it again")
    if _is_html(content[:1024]):
        raise ArchiveError(f"{path.name}: this is an HTML page (a login or error page?), not a data file")
    return decode(content)


def decode(content: bytes) -> tuple[str, int]:
    """UTF-8 text without byte order mark, and the number of invalid sequences that became U+FFFD."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode(), 0
    except UnicodeDecodeError:
        text = content.decode(errors="replace")
        # A genuine U+FFFD in the text is not a loss.
        return text, text.count(REPLACEMENT) - content.count(REPLACEMENT.encode())


def invalid_utf8(source: str, place: str, count: int) -> Finding:
    """The warning that a file held invalid UTF-8."""
    message = f"{count} invalid UTF-8 sequence(s) were replaced by U+FFFD"
    return Finding(source, Severity.WARNING, "invalid_utf8", message, place)


def _refuse_unsafe(path: Path, members: list[zipfile.ZipInfo], max_unpacked: int) -> None:
    for info in members:
        problem = _problem(info)
        if problem:
            raise ArchiveError(f"{path.name}: member {info.orig_filename!r} {problem}")
    total = sum(info.file_size for info in members)
    if total > max_unpacked:
        raise ArchiveError(
            f"{path.name}: its members would unpack to {total:,} bytes; the limit is {max_unpacked:,}"
        )


def _problem(info: zipfile.ZipInfo) -> str | None:
    if _leaves_its_folder(info.orig_filename):
        return "has a path that leads out of the archive's folder"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.file_size > RATIO_MATTERS_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        ratio = info.file_size // max(info.compress_size, 1)
        return f"would unpack to {info.file_size:,} bytes, {ratio:,} times its packed size"
    return None


def _leaves_its_folder(name: str) -> bool:
    """Whether a member's path is absolute, on a drive, or climbs above its start (either slash)."""
    name = name.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\x00" in name:
        return True
    depth = 0
    for part in name.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return True
    return False


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")


def _is_html(start: bytes) -> bool:
    return bool(
        re.match(
            rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*|<\?xml.*?\?>\s*)*<(!doctype\s+html|html|head|body)\b",
            start,
            re.IGNORECASE | re.DOTALL,
        )
    )


def _why_not_a_zip(path: Path, error: BaseException) -> str:
    """Say in the user's words what a file is that zipfile would not open."""
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except OSError as unreadable:
        return f"{path.name}: cannot be read: {unreadable.strerror or unreadable}"
    if not start:
        return f"{path.name}: the file is empty; delete it and download it again"
    if start.startswith(b"PK\x03\x04"):
        return f"{path.name}: the zip archive is truncated or damaged ({error}); delete it and download it again"
    if _is_html(start):
        return f"{path.name}: this is an HTML page (a login or error page?), not a zip archive"
    if start.lstrip().startswith((b"{", b"[")):
        return f"{path.name}: this is JSON (an error message of the server?), not a zip archive"
    return f"{path.name}: this is not a zip archive ({error})"
