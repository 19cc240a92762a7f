"""Folders of the inbox as they are found: links that lead nowhere, files that go while they are looked at."""

from pathlib import Path

from bootstrap_assets.documents import inbox
from bootstrap_assets.documents.folders import Folder, LocalFolder, Refusal


def refusals(folder: Folder) -> dict[str, str]:
    entries = [folder.read(file) for file in folder.files()]
    return {entry.name: entry.reason for entry in entries if isinstance(entry, Refusal)}


def test_a_link_to_itself_and_one_to_nothing_cost_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "loop.md").symlink_to("loop.md")
    (tmp_path / "nothing.md").symlink_to("nowhere.md")
    assert refusals(LocalFolder(tmp_path)) == {
        "loop.md": "it is a link to itself",
        "nothing.md": "it cannot be read: No such file or directory",
    }


def test_a_file_that_goes_while_the_folder_is_looked_at_costs_no_other_file(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("text")
    folder = LocalFolder(tmp_path)
    files = folder.files()
    first = next(files)
    (tmp_path / "b.md").unlink()
    rest = list(files)
    assert [file.name for file in (first, *rest)] == ["a.md", "b.md", "c.md"]
    assert isinstance(folder.read(rest[0]), Refusal)


def test_a_link_within_the_folder_has_the_signature_of_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("a longer text")
    (tmp_path / "link.md").symlink_to("a.md")
    folder = LocalFolder(tmp_path)
    for file in folder.files():
        entry = folder.read(file)
        assert not isinstance(entry, Refusal)
        assert entry.signature == file.signature


def test_an_address_of_this_machine_is_a_folder_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not for you")
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "link.md").symlink_to(tmp_path / "secret")
    for scheme in ("file", "FILE", "local"):
        folder = inbox.opening(f"{scheme}://{tmp_path}")("acme")
        assert refusals(folder) == {"link.md": "it is a link out of its folder"}
