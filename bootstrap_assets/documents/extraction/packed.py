"""The zip archives that DOCX and EPUB files are: looked at before anything is unpacked, all in memory."""

import io
import lzma
import struct
import zipfile
import zlib
from xml.etree.ElementTree import Element

from bootstrap_assets.documents.extraction.hardened_xml import parse_xml
from bootstrap_assets.documents.extraction.model import Limits, Reason, Refusal
from bootstrap_assets.sources.fetch.zip_members import canonical, danger, is_folder, obstacle

_CHUNK = 1024**2
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError),
    *(RuntimeError, LookupError, OverflowError, NotImplementedError),
)


class Package:
    """A zip archive in memory whose members have all been found safe. Raises Refusal for any other."""

    def __init__(self, content: bytes, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.unpacked_bytes
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGE as error:
            message = f"is a zip archive that is cut off or damaged ({error}): fetch or save it again"
            raise Refusal(Reason.DAMAGED, message) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._take_members(self._archive.infolist())

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        """The names of all members, sorted."""
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises Refusal if it is missing, damaged, encrypted or too large."""
        info = self._members.get(name)
        if info is None:
            raise Refusal(Reason.DAMAGED, f"lacks its part {name!r}: it is damaged, or only looks like a document")
        if info.file_size > self._left:
            raise Refusal(Reason.UNSAFE, self._too_large(info.file_size))
        content = self._unpack(info)
        self._left -= len(content)
        return content

    def xml(self, name: str) -> Element:
        """A member as XML. Raises Refusal as `read` does, and for a DTD, entities or XML that is not sound."""
        return parse_xml(self.read(name), name)

    def _take_members(self, members: list[zipfile.ZipInfo]) -> None:
        if len(members) > self._limits.members:
            message = f"packs {len(members):,} files; a document has at most {self._limits.members:,}"
            raise Refusal(Reason.UNSAFE, message)
        for info in members:
            if problem := danger(info):
                raise Refusal(Reason.UNSAFE, f"packs a file {info.orig_filename!r} that {problem}")
            name = canonical(info.orig_filename)
            if name in self._members:
                raise Refusal(Reason.UNSAFE, f"packs two files of the same name {name!r}")
            if name and not is_folder(info):
                self._members[name] = info
        total = sum(info.file_size for info in members)
        if total > self._limits.unpacked_bytes:
            raise Refusal(Reason.UNSAFE, self._too_large(total))

    def _unpack(self, info: zipfile.ZipInfo) -> bytes:
        if problem := obstacle(info):
            raise Refusal(
                Reason.ENCRYPTED if "encrypted" in problem else Reason.DAMAGED, f"has a part that {problem}"
            )
        content = bytearray()
        try:
            with self._archive.open(info) as stream:
                while piece := stream.read(_CHUNK):
                    content += piece
                    if len(content) > info.file_size:
                        raise zipfile.BadZipFile("longer than it says")
        except _DAMAGE as error:
            message = f"has a damaged part {info.orig_filename!r} ({error}): fetch or save it again"
            raise Refusal(Reason.DAMAGED, message) from error
        return bytes(content)

    def _too_large(self, size: int) -> str:
        return f"would unpack to {size:,} bytes; the limit is {self._limits.unpacked_bytes:,} (a zip bomb?)"
