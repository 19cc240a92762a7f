"""Cloning: what comes, what is refused, what is left behind, and what an error is called."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bootstrap_assets.errors import PermanentError, TransientError
from bootstrap_assets.repositories.addresses import Access, Address, address_of
from bootstrap_assets.repositories.clone import clone, latest
from bootstrap_assets.repositories.errors import (
    AddressError,
    CloneStoppedError,
    CloneTimeoutError,
    DamagedError,
    DeniedError,
    NoCommitError,
    NoRepositoryError,
    NotARepositoryError,
    TooMuchError,
    UnreachableError,
)
from bootstrap_assets.repositories.folders import sweep
from bootstrap_assets.repositories.git import SETTINGS, Credentials, Limits, environment
from bootstrap_assets.repositories.refusals import refusal
from bootstrap_assets.stopping import Stop
from tests.fakes.git_repository import GitRepository
from tests.fakes.git_server import GitServer

OWN = Access(private=True)
SECRET = "s3cr3t-token"


@pytest.fixture
def origin(tmp_path: Path) -> GitRepository:
    repository = GitRepository(tmp_path / "served" / "one")
    repository.commit({"a.py": "x = 1\n", "b/c.py": "y = 2\n"})
    return repository


@pytest.fixture
def server(origin: GitRepository) -> Iterator[GitServer]:
    with GitServer(origin.folder.parent).running() as served:
        yield served


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Where clones are made; nothing may be there after a test."""
    yield tmp_path / "clones"
    assert not list((tmp_path / "clones").glob("*"))


def names(address: str, root: Path, revision: str = "", **options: object) -> dict[str, bytes | None]:
    with clone(address, revision, root, OWN, **options) as brought:  # type: ignore[arg-type]
        return {one.name.decode(): brought.read(one.oid) for one in brought.entries() if one.kind == "file"}


def test_a_commit_comes_over_http_and_is_read_blob_by_blob(server: GitServer, root: Path) -> None:
    assert names(f"{server.url}/one", root) == {"a.py": b"x = 1\n", "b/c.py": b"y = 2\n"}


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_folder_is_cloned_by_its_path(form: str, origin: GitRepository, root: Path) -> None:
    assert set(names(form.format(origin.folder), root)) == {"a.py", "b/c.py"}


def test_a_branch_a_tag_and_a_commit_each_give_their_own_files(origin: GitRepository, root: Path) -> None:
    first = origin.head
    origin.git("tag", "--annotate", "v1", "--message", "one")
    origin.git("checkout", "--quiet", "-b", "other")
    origin.commit({"d.py": ""})
    origin.git("checkout", "--quiet", "main")
    assert "d.py" in names(str(origin.folder), root, "other")
    assert "d.py" in names(str(origin.folder), root, "refs/heads/other")
    assert "d.py" not in names(str(origin.folder), root, "v1")
    with clone(str(origin.folder), first, root, OWN) as brought:
        assert brought.commit == first
    with clone(str(origin.folder), "v1", root, OWN) as brought:
        assert brought.commit == first
    for tag in ("v1", "refs/tags/v1"):
        assert latest(str(origin.folder), tag, root, OWN) == first  # the commit, not the tag that leads to it


def test_a_merge_and_a_rename_leave_what_the_last_commit_has(origin: GitRepository, root: Path) -> None:
    origin.git("checkout", "--quiet", "-b", "side")
    origin.git("mv", "a.py", "renamed.py")
    origin.commit({})
    origin.git("checkout", "--quiet", "main")
    origin.commit({"b/c.py": "y = 3\n"})
    origin.git("merge", "--quiet", "--no-edit", "side")
    assert names(str(origin.folder), root) == {"renamed.py": b"x = 1\n", "b/c.py": b"y = 3\n"}


def test_after_a_force_push_the_new_commit_comes_and_the_old_one_by_its_id(
    origin: GitRepository, server: GitServer, root: Path
) -> None:
    before = origin.commit({"e.py": ""})
    origin.git("reset", "--quiet", "--hard", "HEAD~1")
    after = origin.commit({"f.py": ""})
    assert latest(f"{server.url}/one", "main", root, OWN) == after
    assert "f.py" in names(f"{server.url}/one", root)
    assert "e.py" in names(f"{server.url}/one", root, before)


def test_a_submodule_and_a_link_out_of_the_tree_are_named_and_not_followed(
    origin: GitRepository, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("secret")
    (origin.folder / "link").symlink_to(tmp_path / "outside")
    origin.commit({".gitmodules": f'[submodule "s"]\n path = s\n url = {tmp_path}\n'})
    origin.git("update-index", "--add", "--cacheinfo", f"160000,{origin.head},s")
    origin.git("commit", "--quiet", "-m", "submodule")
    with clone(str(origin.folder), "", root, OWN) as brought:
        kinds = {one.name.decode(): one.kind for one in brought.entries()}
        link = next(one for one in brought.entries() if one.kind == "link")
        assert brought.read(link.oid) == str(tmp_path / "outside").encode()
    assert (kinds["link"], kinds["s"], kinds["a.py"]) == ("link", "submodule", "file")


def test_a_file_of_50_megabytes_does_not_come(origin: GitRepository, server: GitServer, root: Path) -> None:
    origin.commit_many({"large.bin": os.urandom(50_000_000)})
    with clone(f"{server.url}/one", "", root, OWN, limits=Limits(clone_bytes=20_000_000)) as brought:
        [large] = [one for one in brought.entries() if one.name == b"large.bin"]
        assert (large.size, brought.read(large.oid)) == (-1, None)
        assert brought.read(brought.entries()[0].oid) == b"x = 1\n"


def test_a_commit_of_5000_files_comes_whole_and_one_with_more_than_the_limit_not(
    origin: GitRepository, root: Path
) -> None:
    origin.commit_many({f"many/{number % 50}/f{number}.txt": b"%d" % number for number in range(5000)})
    with clone(str(origin.folder), "", root, OWN) as brought:
        assert len(brought.entries()) == 5002
    with pytest.raises(TooMuchError, match="5,002 files"):
        names(str(origin.folder), root, limits=Limits(files=5000))


def test_names_that_reach_outside_arrive_as_names_and_touch_nothing(origin: GitRepository, root: Path) -> None:
    blob = origin.blob(b"x = 1\n")
    odd = [b"\xff\xfe.py", b"new\nline.py", b"-option.py", b"caf\xc3\xa9.py"]
    origin.commit_tree(dict.fromkeys(odd, ("100644", blob)))
    with clone(str(origin.folder), "", root, OWN) as brought:
        assert {one.name for one in brought.entries()} == set(odd)
        assert {path.name for path in root.rglob("*")}.isdisjoint({"-option.py", "café.py"})
    for name in (b"..", b".git"):
        origin.commit_tree({name: ("100644", blob)})
        with pytest.raises(DamagedError):  # git's own checks
            names(str(origin.folder), root)


@pytest.mark.parametrize(
    "address",
    ["", "-upload-pack=sh", "--help", "ext::sh -c date", "git://host/x", "ftp://host/x", "https://host", "fd::17",
     "https://user:word@host/x", "https://user@host/x", "https://ho\nst/x", "ssh://-oProxyCommand=x/y",
     "https://[::1/x"],
)  # fmt: skip
def test_an_address_that_is_none_of_ours_is_refused_without_asking_anybody(address: str, root: Path) -> None:
    with pytest.raises(AddressError):
        address_of(address, OWN)


@pytest.mark.parametrize(
    "address",
    ["https://127.0.0.1/x", "https://10.1.2.3/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]/x",
     "https://169.254.169.254/x", "ssh://git@192.168.0.1/x", "git@127.0.0.1:x", "https://localhost/x",
     "https://0x7f000001/x", "https://2130706433/x", "https://0.0.0.0/x", "https://[64:ff9b::10.0.0.1]/x",
     "https://[64:ff9b:1::10.0.0.1]/x", "https://[2002:a00:1::]/x", "https://[::10.0.0.1]/x",
     "https://[::ffff:0:10.0.0.1]/x", "https://[fec0::1]/x"],
)  # fmt: skip
def test_a_private_address_is_refused_unless_it_is_allowed(address: str) -> None:
    with pytest.raises(AddressError, match="private"):
        address_of(address, Access())
    assert address_of(address, OWN).protocol in ("https", "ssh")


@pytest.mark.parametrize(
    "address", ["https://[2606:4700::1]/x", "https://[64:ff9b::808:808]/x", "https://8.8.8.8/x"]
)
def test_a_public_address_is_taken_in_whatever_form(address: str) -> None:
    assert address_of(address, Access()).pins


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f.1", "[::1]", "localhost"])
def test_a_proxy_is_asked_for_no_private_address_in_whatever_form(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    with pytest.raises(AddressError, match="private"):
        address_of(f"https://{host}/x", Access())
    assert not address_of("https://name.that.only.the.proxy.knows/x", Access()).pins


def test_plain_http_and_folders_are_taken_only_where_they_are_allowed(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="clear"):
        address_of("http://example.org/x", Access())
    with pytest.raises(AddressError, match="folders"):
        address_of(str(tmp_path), Access(local=False))


def test_git_connects_to_the_address_that_was_looked_at_and_to_no_other() -> None:
    address = Address("https://h.example/x", "https", "h.example", (("h.example", 443, "2001:db8::1"),))
    variables = environment(address, Credentials(), Limits())
    assert "h.example:443:[2001:db8::1]" in variables.values()


def test_a_host_that_is_an_ipv6_address_is_asked_there(origin: GitRepository, root: Path) -> None:
    with GitServer(origin.folder.parent, "::1").running() as server:
        assert names(f"{server.url}/one", root)


@pytest.mark.parametrize("name", ["core.hooksPath", "core.fsmonitor", "http.followRedirects", "protocol.allow"])
def test_what_could_run_something_is_switched_off_for_every_command(name: str) -> None:
    variables = environment(None, Credentials(), Limits())
    keys = [key for key, value in variables.items() if value == name]
    assert [variables[key.replace("KEY", "VALUE")] for key in keys] == [SETTINGS[name]]
    assert variables["GIT_ALLOW_PROTOCOL"] == ""


def test_hooks_and_settings_of_the_person_who_runs_it_have_no_effect(
    origin: GitRepository, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    (tmp_path / ".gitconfig").write_text(
        f'[core]\n hooksPath = {tmp_path}\n fsmonitor = "touch {trap}"\n[url "/nowhere/"]\n'
        f" insteadOf = {tmp_path}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.sshCommand")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"touch {trap}")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_TRACE", str(trap))
    assert names(str(origin.folder), root)
    assert not trap.exists()


def test_a_password_is_sent_where_it_is_asked_for_and_stands_nowhere_else(server: GitServer, root: Path) -> None:
    server.password = SECRET
    seen: list[str] = []
    with clone(f"{server.url}/one", "", root, OWN, Credentials("git", SECRET)) as brought:
        assert len(brought.entries()) == 2
        seen = [path.read_bytes().decode("latin-1") for path in root.rglob("*") if path.is_file()]
    assert not any(SECRET in content for content in seen)
    assert not any(SECRET in path for path in server.requests)
    assert SECRET not in repr(Credentials("git", SECRET))


def test_a_helper_of_gits_gives_the_password_as_well(server: GitServer, root: Path) -> None:
    server.password = SECRET
    helper = f"!printf 'username=git\\npassword={SECRET}\\n'; true"
    assert names(f"{server.url}/one", root, credentials=Credentials(helper=helper))


@pytest.mark.parametrize("credentials", [Credentials(), Credentials("git", "wrong-" + SECRET)])
def test_without_the_right_password_access_is_denied_for_good_and_no_secret_is_told(
    credentials: Credentials, server: GitServer, root: Path
) -> None:
    server.password = SECRET
    with pytest.raises(DeniedError) as caught:
        names(f"{server.url}/one", root, credentials=credentials)
    assert SECRET not in str(caught.value)
    assert isinstance(caught.value, PermanentError)


def test_no_repository_no_commit_and_no_git_at_all_are_lasting_errors(
    server: GitServer, origin: GitRepository, root: Path, tmp_path: Path
) -> None:
    GitRepository(tmp_path / "served" / "empty")
    for address, revision, error in (
        (f"{server.url}/none", "", NoRepositoryError),
        (str(tmp_path / "nowhere"), "", NoRepositoryError),
        (str(tmp_path), "", NotARepositoryError),
        (f"{server.url}/one", "a" * 40, NoCommitError),
        (f"{server.url}/one", "no-such-branch", NoCommitError),
        (f"{server.url}/one", "--upload-pack=x", NoCommitError),
        (f"{server.url}/one", origin.git("rev-parse", "HEAD^{tree}"), NoCommitError),
        (f"{server.url}/empty", "", NoCommitError),
    ):
        with pytest.raises(error) as caught:
            names(address, root, revision)
        assert isinstance(caught.value, PermanentError), address


def test_an_unborn_branch_is_no_commit_while_others_can_be_had(origin: GitRepository, root: Path) -> None:
    origin.git("branch", "kept")
    origin.git("symbolic-ref", "HEAD", "refs/heads/unborn")
    with pytest.raises(NoCommitError, match="no commit yet"):
        names(str(origin.folder), root)
    assert names(str(origin.folder), root, "kept")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_that_fails_may_work_later(status: int, server: GitServer, root: Path) -> None:
    server.failures, server.status = 1, status
    with pytest.raises(UnreachableError) as caught:
        names(f"{server.url}/one", root)
    assert isinstance(caught.value, TransientError)
    assert names(f"{server.url}/one", root)


def test_an_answer_that_breaks_off_half_way_may_come_whole_later(
    origin: GitRepository, server: GitServer, root: Path
) -> None:
    origin.commit({"random.bin": os.urandom(300_000)})
    server.cut_after = 100_000
    with pytest.raises(TransientError):
        names(f"{server.url}/one", root)
    server.cut_after = None
    assert names(f"{server.url}/one", root)


def test_a_number_of_bytes_in_what_git_says_is_no_status_of_http() -> None:
    words = b"error: RPC failed; curl 18 transfer closed\nerror: 35268 bytes of body are still expected"
    assert isinstance(refusal(words, 128, None, ""), UnreachableError)


def test_nobody_listening_is_a_passing_error(server: GitServer, root: Path) -> None:
    with pytest.raises(UnreachableError):
        names("http://127.0.0.1:9/x", root)


def test_a_stalled_server_is_given_up_in_time(server: GitServer, root: Path) -> None:
    server.stall_seconds = 6
    began = time.monotonic()
    with pytest.raises(CloneTimeoutError) as caught:
        names(f"{server.url}/one", root, limits=Limits(clone_seconds=0.7))
    assert time.monotonic() - began < 4
    assert isinstance(caught.value, TransientError)


def test_a_server_that_redirects_elsewhere_is_not_followed(server: GitServer, root: Path, tmp_path: Path) -> None:
    with GitServer(tmp_path / "served").running() as other:
        server.location = other.url
        with pytest.raises(DeniedError, match="redirects"):
            names(f"{server.url}/one", root)
        assert other.requests == []


def test_a_repository_larger_than_allowed_is_given_up(origin: GitRepository, root: Path) -> None:
    origin.commit({f"{number}.bin": os.urandom(400_000) for number in range(5)})
    with pytest.raises(TooMuchError):
        names(str(origin.folder), root, limits=Limits(clone_bytes=500_000))


def test_a_stop_ends_git_and_leaves_no_folder(server: GitServer, root: Path) -> None:
    server.stall_seconds = 6
    stop = Stop()
    threading.Timer(0.4, stop.set).start()
    began = time.monotonic()
    with pytest.raises(CloneStoppedError):
        names(f"{server.url}/one", root, stop=stop)
    assert time.monotonic() - began < 3
    assert not [one for one in psutil.Process().children(recursive=True) if one.name().startswith("git")]


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(
    origin: GitRepository, root: Path
) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from bootstrap_assets.repositories.clone import clone\n"
        "with clone(sys.argv[1], '', Path(sys.argv[2])) as brought: os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(origin.folder), str(root)], check=False)
    assert len(list(root.iterdir())) == 1
    with clone(str(origin.folder), "", root, OWN) as brought:
        assert sweep(root) == 1
        assert len(brought.entries()) == 2
        assert sweep(root) == 0


def test_alternates_of_a_clone_point_nowhere(origin: GitRepository, root: Path) -> None:
    with clone(str(origin.folder), "", root, OWN):
        assert not list(root.rglob("alternates"))
        assert not list(root.rglob("hooks"))
