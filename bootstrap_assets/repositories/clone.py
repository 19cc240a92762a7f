"""One commit of a repository: bare, shallow, read blob by blob, and gone afterwards."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bootstrap_assets.repositories.addresses import ANYONE, Access, Address, address_of
from bootstrap_assets.repositories.errors import DamagedError, NoCommitError, TooMuchError
from bootstrap_assets.repositories.folders import temporary_folder
from bootstrap_assets.repositories.git import LIMITS, NOBODY, Credentials, Git, Limits, end
from bootstrap_assets.stopping import Stop

COMMIT = "refs/bootstrap/commit"
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])")
_TREE_ROW = re.compile(rb"(\d{6}) (\w+) ([0-9a-f]+)\t(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in the tree of a commit: its raw bytes, the mode, the object, and its bytes (-1: not there).

    `kind`: `file`, `link` or `submodule`.
    """

    name: bytes
    kind: str
    oid: str
    size: int = -1


class Clone:
    """A commit that was brought here. Use it only inside of `clone`."""

    def __init__(self, git: Git, commit: str) -> None:
        self.commit = commit
        self._git = git
        self._reader: subprocess.Popen[bytes] | None = None
        self._entries: list[Entry] | None = None

    def entries(self) -> list[Entry]:
        """All files, links and submodules of the commit, with the sizes of the files."""
        if self._entries is None:
            self._entries = self._list()
        return self._entries

    def _list(self) -> list[Entry]:
        rows = [row for row in self._git.tell("ls-tree", "-r", "-z", "--full-tree", COMMIT).split(b"\0") if row]
        if len(rows) > self._git.limits.files:
            raise TooMuchError(f"the commit has {len(rows):,} files, more than {self._git.limits.files:,}")
        entries = [_entry(row) for row in rows]
        sizes = self._sizes({one.oid for one in entries if one.kind == "file"})
        return [Entry(one.name, one.kind, one.oid, sizes.get(one.oid, -1)) for one in entries]

    def read(self, oid: str) -> bytes | None:
        """A blob; None where it was left out for its size."""
        reader = self._start()
        _pipe(reader.stdin).write(oid.encode("ascii") + b"\n")
        _pipe(reader.stdin).flush()
        heading = _pipe(reader.stdout).readline().split()
        if len(heading) == 2 and heading[1] == b"missing":
            return None
        if len(heading) != 3:
            raise DamagedError(f"git could not read the object {oid}")
        content = _pipe(reader.stdout).read(int(heading[2]))
        _pipe(reader.stdout).read(1)
        if len(content) != int(heading[2]):
            raise DamagedError(f"git broke off while it read the object {oid}")
        return content

    def close(self) -> None:
        """End the reading."""
        if self._reader is not None:
            end(self._reader)
            self._reader = None

    def _start(self) -> subprocess.Popen[bytes]:
        if self._reader is None:
            self._reader = self._git.start("cat-file", "--batch")
        return self._reader

    def _sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Bytes of each blob that is here."""
        sorted_oids = sorted(oids)
        process = self._git.start("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)")
        try:
            answer, _ = process.communicate("".join(f"{oid}\n" for oid in sorted_oids).encode("ascii"))
        finally:
            end(process)
        rows = (line.split() for line in answer.decode("ascii", "replace").splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}


@contextmanager
def clone(
    address: str,
    revision: str,
    root: Path,
    access: Access = ANYONE,
    credentials: Credentials = NOBODY,
    limits: Limits = LIMITS,
    stop: Stop | None = None,
) -> Iterator[Clone]:
    """The commit that a revision (a commit's full id, a ref, empty for the default branch) means.

    Its folder lies below `root` and is removed at the end. Raises the errors of errors.py; those that are
    TransientError are worth another attempt.
    """
    place = address_of(address, access)
    with temporary_folder(root) as folder:
        git = Git(folder / "git", place, credentials, limits, stop)
        git.tell("init", "--quiet", "--bare", "--template=")
        commit = _meaning(git, place, revision)
        _fetch(git, place, commit, limits)
        bare_clone = Clone(git, git.tell("rev-parse", "--verify", f"{COMMIT}^{{commit}}").decode("ascii").strip())
        try:
            yield bare_clone
        finally:
            bare_clone.close()


def latest(
    address: str,
    ref: str,
    root: Path,
    access: Access = ANYONE,
    credentials: Credentials = NOBODY,
    limits: Limits = LIMITS,
    stop: Stop | None = None,
) -> str:
    """The commit that a ref means at the address now, without bringing anything here."""
    place = address_of(address, access)
    with temporary_folder(root) as folder:
        git = Git(folder / "git", place, credentials, limits, stop)
        git.tell("init", "--quiet", "--bare", "--template=")
        return _meaning(git, place, ref)


def _meaning(git: Git, address: Address, revision: str) -> str:
    """The id of the commit: of a tag it is asked with `^{}`, or it would be the tag's own."""
    if _ID.fullmatch(revision):
        return revision
    if revision and not _REF.fullmatch(revision):
        raise NoCommitError("this is no name of a branch, tag or ref, and no full id of a commit")
    refs = [revision, f"refs/heads/{revision}", f"refs/tags/{revision}"] if revision else ["HEAD"]
    names = [name for ref in refs for name in (f"{ref}^{{}}", ref)]
    answer = git.ask("ls-remote", "--quiet", "--", address.url, *names).decode("utf-8", "replace")
    cut = (line.partition("\t") for line in answer.splitlines())
    rows = {name: oid for oid, _, name in cut}
    match = next((rows[name] for name in names if name in rows), None)
    if match is None or not _ID.fullmatch(match):
        raise NoCommitError(f"the repository has no {f'ref {revision!r}' if revision else 'commit yet'}")
    return match


def _fetch(git: Git, address: Address, commit: str, limits: Limits) -> None:
    """Bring one commit without its history and without blobs that are too large, then forget where it came
    from."""
    git.tell("config", "remote.origin.url", address.url)
    git.ask(
        "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
        f"--filter=blob:limit={limits.file_bytes + 1}", "origin", f"+{commit}:{COMMIT}",
    )  # fmt: skip
    git.tell("config", "--remove-section", "remote.origin")
    if _is_partial(git):
        git.tell("config", "--unset-all", "extensions.partialClone")


def _is_partial(git: Git) -> bool:
    return b"extensions.partialclone" in git.tell("config", "--list", "--local", "--name-only").lower()


def _entry(row: bytes) -> Entry:
    match = _TREE_ROW.fullmatch(row)
    if match is None:
        raise DamagedError("git lists a tree in a way that is not understood")
    kind = {b"120000": "link", b"160000": "submodule"}.get(match[1], "file")
    return Entry(match[4], kind, match[3].decode("ascii"))


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise DamagedError("git cannot be read")
    return stream
