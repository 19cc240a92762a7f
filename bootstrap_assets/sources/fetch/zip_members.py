"""What a zip archive says of its members: their names as they are meant, and what speaks against reading one."""

import re
import stat
import struct
import unicodedata
import zipfile
import zlib

MAX_RATIO = 200
"""Largest compression ratio of a big member; JSON and prose stay far below it (deflate cannot pass 1032)."""

RATIO_MATTERS_FROM = 10 * 1024**2
"""Size in bytes from which a member's ratio is looked at: small members of repeated text are harmless."""

_ENCRYPTED = 0x1 | 0x40 | 0x2000
_UTF_8_NAME = 0x800
_UNICODE_PATH = 0x7075
_DOS_FOLDER = 0x10
_AES = 99
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_METHODS = {
    1: "Shrink",
    **dict.fromkeys((2, 3, 4, 5), "Reduce"),
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE Implode",
    **dict.fromkeys((20, 93), "Zstandard"),
    94: "MP3",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
_LITTER = frozenset(
    "__macosx .ds_store thumbs.db ehthumbs.db desktop.ini .spotlight-v100 .trashes .fseventsd".split()
)


def canonical(name: str) -> str:
    """A path with slashes only (Windows writes backslashes), without `.`, `..` and empty parts, composed (NFC)."""
    parts: list[str] = []
    for part in name.replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return unicodedata.normalize("NFC", "/".join(parts))


def written_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: zipfile takes for cp437 what is not marked as UTF-8, and often is."""
    name = info.orig_filename
    if info.flag_bits & _UTF_8_NAME or name.isascii():
        return name
    try:
        raw = name.encode("cp437")
        return _unicode_path(info.extra, raw) or raw.decode()
    except UnicodeError:
        return name


def is_folder(info: zipfile.ZipInfo) -> bool:
    """Whether a member is a folder: by its name's end (either slash), or by its attributes."""
    if info.orig_filename.endswith(("/", "\\")) or stat.S_ISDIR(info.external_attr >> 16):
        return True
    return bool(info.external_attr & _DOS_FOLDER) and not info.file_size


def is_litter(name: str) -> bool:
    """Whether a path is what macOS, Windows or Office leave beside the files: no part of what was packed."""
    parts = name.split("/")
    return any(part.lower() in _LITTER for part in parts) or parts[-1].startswith(("._", "~$"))


def danger(info: zipfile.ZipInfo) -> str | None:
    """Why an archive with such a member is refused; None for a harmless one."""
    if _leaves_its_folder(info.orig_filename) or _leaves_its_folder(written_name(info)):
        return "has a path that leads out of the archive's folder"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a folder"
    if info.file_size > RATIO_MATTERS_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        ratio = info.file_size // max(info.compress_size, 1)
        return f"would unpack to {info.file_size:,} bytes, {ratio:,} times its packed size"
    return None


def obstacle(info: zipfile.ZipInfo) -> str | None:
    """Why a sound member cannot be read here, and what to do; None for a readable one."""
    if info.flag_bits & _ENCRYPTED or info.compress_type == _AES:
        return "is encrypted: unpack the archive with its password, and pack it again without"
    if info.compress_type not in _READABLE:
        method = _METHODS.get(info.compress_type, "an unknown method")
        return (
            f"is compressed by {method} (method {info.compress_type}), which Python cannot unpack: unpack the"
            " archive with 7-Zip or unzip, and pack it again as an ordinary zip (Deflate)"
        )
    return None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in Info-ZIP's extra field, if it belongs to this name."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        value, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(value) > 5 and value[0] == 1:
            return value[5:].decode() if struct.unpack_from("<L", value, 1)[0] == zlib.crc32(raw) else None
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
