"""Reading archives without trusting them."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from bootstrap_assets.errors import ArchiveError
from bootstrap_assets.sources.fetch import archive as archive_module
from bootstrap_assets.sources.fetch.archive import open_archive, read_file


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught, open_archive(path):
        pass
    assert path.name in str(caught.value)
    return str(caught.value)


def test_members_are_read_as_bytes_and_as_text(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"b/two.txt": "zwei – 2".encode(), "b/one.txt": b"\xef\xbb\xbfone"})
    with open_archive(path) as archive:
        assert archive.names() == ["b/one.txt", "b/two.txt"]
        assert archive.read("b/one.txt") == b"\xef\xbb\xbfone"
        assert archive.text("b/one.txt") == "one"
        assert archive.text("b/two.txt") == "zwei – 2"
        assert archive.findings("cuad") == []


def test_invalid_utf8_is_replaced_and_told(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x.txt": b"caf\xe9 \xff!" + "\ufffd".encode()})
    with open_archive(path) as archive:
        assert archive.text("x.txt") == "caf\ufffd \ufffd!\ufffd"
        (finding,) = archive.findings("cuad")
    assert (finding.kind, finding.place) == ("invalid_utf8", "a.zip: x.txt")
    assert finding.message.startswith("2 ")


def test_files_are_addressed_below_the_top_folder_of_a_github_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"Terms-main/README.md": b"", "Terms-main/Doc/G/0.md": b"x"})
    with open_archive(path) as archive:
        assert archive.top == "Terms-main/"
        assert archive.below() == {"README.md": "Terms-main/README.md", "Doc/G/0.md": "Terms-main/Doc/G/0.md"}
        assert archive.below("Doc") == {"G/0.md": "Terms-main/Doc/G/0.md"}


def test_a_flat_archive_has_no_top_folder_and_macos_litter_does_not_count(tmp_path: Path) -> None:
    flat = write_zip(tmp_path / "flat.zip", {"a.json": b"", "b/c.json": b""})
    mac = write_zip(tmp_path / "mac.zip", {"X/a.json": b"", "__MACOSX/X/._a.json": b"", "X/._b": b""})
    with open_archive(flat) as archive:
        assert archive.top == ""
        assert archive.below("b") == {"c.json": "b/c.json"}
    with open_archive(mac) as archive:
        assert (archive.top, archive.names()) == ("X/", ["X/a.json"])


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"x": b""})
    with open_archive(path) as archive, pytest.raises(ArchiveError, match=r"a\.zip.*'y\.json'"):
        archive.read("y.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page"),
        (b'\n  <html lang="en">', "HTML page"),
        (b'{"message": "Not Found"}', "JSON"),
        (b"GIF89a.....", "not a zip"),
    ],
)
def test_what_is_no_zip_is_called_by_its_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "download.zip"
    path.write_bytes(content)
    assert words in refusal(path)


def test_a_truncated_zip_is_called_truncated(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "cut.zip", {"a.txt": bytes(range(256)) * 40})
    path.write_bytes(path.read_bytes()[:-60])
    assert "truncated" in refusal(path)


def test_a_missing_file_is_an_archive_error(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.zip")


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "c:evil", "..\\evil", "a\\..\\..\\evil", "\\\\host\\x"],
)
def test_a_member_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal(write_zip(tmp_path / "a.zip", {"good": b"", name: b"x"}))
    assert "leads out" in message
    assert repr(name) in message


def test_a_path_that_stays_inside_is_allowed(tmp_path: Path) -> None:
    with open_archive(write_zip(tmp_path / "a.zip", {"a/b/../c": b"1", "a/..b": b"2", "./d": b"3"})) as archive:
        assert archive.read("a/b/../c") == b"1"


@pytest.mark.parametrize(("kind", "words"), [(stat.S_IFLNK, "symbolic link"), (stat.S_IFIFO, "neither a file")])
def test_a_link_and_a_device_are_refused(tmp_path: Path, kind: int, words: str) -> None:
    info = zipfile.ZipInfo("shortcut")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    message = refusal(tmp_path / "a.zip")
    assert words in message
    assert "'shortcut'" in message


def test_a_member_that_unpacks_to_very_much_more_is_refused(tmp_path: Path) -> None:
    message = refusal(write_zip(tmp_path / "bomb.zip", {"zeros": bytes(11 * 1024**2)}))
    assert "'zeros'" in message
    assert "times its packed size" in message


def test_a_small_member_may_be_packed_tightly(tmp_path: Path) -> None:
    with open_archive(write_zip(tmp_path / "a.zip", {"zeros": bytes(1024**2)})) as archive:
        assert len(archive.read("zeros")) == 1024**2


def test_the_unpacked_size_of_all_members_has_a_limit(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a": b"x" * 600, "b": b"x" * 600})
    with pytest.raises(ArchiveError, match="1,200 bytes"), open_archive(path, limit=1000):
        pass
    with open_archive(path, limit=1200) as archive:
        assert len(archive.names()) == 2


def set_flag(path: Path, bit: int) -> None:
    """Set a bit of the general purpose flags in the local header and in the central directory."""
    data = bytearray(path.read_bytes())
    data[6] |= bit
    data[data.index(b"PK\x01\x02") + 8] |= bit
    path.write_bytes(bytes(data))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"secret.txt": b"x"})
    set_flag(path, 1)
    assert "'secret.txt' is encrypted" in refusal(path)


def test_a_damaged_member_is_named_when_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("good.txt", "untouched")
        archive.writestr("bad.txt", "to be changed")
    path.write_bytes(path.read_bytes().replace(b"to be changed", b"to be chAnged"))
    with open_archive(path) as opened:
        assert opened.text("good.txt") == "untouched"
        with pytest.raises(ArchiveError, match=r"a\.zip: member 'bad\.txt' is damaged.*CRC"):
            opened.read("bad.txt")


def test_a_header_that_lies_about_the_size_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "a.zip", {"zeros": bytes(8 * 1024**2)})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 1000)
    path.write_bytes(bytes(data))
    monkeypatch.setattr(archive_module, "_CHUNK", 1024)
    with open_archive(path) as archive, pytest.raises(ArchiveError, match="'zeros'"):
        archive.read("zeros")


def test_a_single_file_is_read_with_the_same_care(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_bytes(b"\xef\xbb\xbf{} \xff")
    assert read_file(path) == ("{} \ufffd", "UTF-8", 1)
    for content, words in ((b" \n", "empty"), (b"<html>", "HTML page")):
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=words):
            read_file(path)
    with pytest.raises(ArchiveError, match=r"gone\.json"):
        read_file(tmp_path / "gone.json")


def test_folders_are_not_members(tmp_path: Path) -> None:
    with open_archive(write_zip(tmp_path / "folders.zip", {"a/": b""})) as archive:
        assert archive.names() == []
        assert archive.top == ""
