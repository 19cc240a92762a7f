"""Real git repositories, built by git itself."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


class GitRepository:
    """A repository with a work tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            input=given,
            env={"PATH": os.environ["PATH"], **_VARIABLES},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """Write files and commit all that the work tree has; returns the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    def commit_many(self, files: Mapping[str, bytes]) -> str:
        """Commit many files on top of `main` at once, past the work tree."""
        lines = b"".join(
            b"M 644 inline %s\ndata %d\n%s\n" % (name.encode(), len(content), content)
            for name, content in files.items()
        )
        start = b"commit refs/heads/main\ncommitter A <a@example.org> 1767225600 +0000\ndata 4\nmany\n"
        self.git(
            "-c", "core.compression=0", "fast-import", "--quiet", given=start + b"from refs/heads/main^0\n" + lines
        )
        return self.head

    def commit_tree(self, rows: Mapping[bytes, tuple[str, str]]) -> str:
        """Commit a flat tree with names that no work tree could have: name to (mode, object)."""
        listing = b"".join(
            mode.encode()
            + b" "
            + (b"commit " if mode == "160000" else b"blob ")
            + oid.encode()
            + b"\t"
            + name
            + b"\0"
            for name, (mode, oid) in rows.items()
        )
        tree = self.git("mktree", "-z", "--missing", given=listing)
        commit = self.git("commit-tree", tree, "-m", "tree")
        self.git("update-ref", "refs/heads/main", commit)
        return commit

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", given=content)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")
