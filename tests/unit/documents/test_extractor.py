"""The child process: whatever happens to it, this process goes on, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bootstrap_assets.documents.extraction import child as module
from bootstrap_assets.documents.extraction.extractor import ExtractionFailure, Extractor
from bootstrap_assets.documents.extraction.model import Limits, Reason
from bootstrap_assets.errors import StoppedError
from bootstrap_assets.stopping import Stop
from tests.unit.documents.made import slow_page

Later = Callable[[float, Callable[[], object]], None]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.txt"
    path.write_text("A clause.")
    return path


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes some seconds."""
    path = tmp_path_factory.mktemp("slow") / "slow.html"
    path.write_bytes(slow_page())
    return path


@pytest.fixture
def later() -> Iterator[Later]:
    """Does something after so many seconds."""
    timers = []

    def later(seconds: float, action: Callable[[], object]) -> None:
        timers.append(threading.Timer(seconds, action))
        timers[-1].start()

    yield later
    for timer in timers:
        timer.join()


def child_of(extractor: Extractor) -> int:
    assert extractor.pid is not None
    return extractor.pid


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return condition()


def test_one_child_reads_many_documents(small: Path) -> None:
    with Extractor() as extractor:
        extractor.extract(small)
        pid = child_of(extractor)
        for _ in range(20):
            assert extractor.extract(small).text == "A clause."
        assert child_of(extractor) == pid
    assert is_gone(pid)


def test_a_child_is_replaced_after_some_documents(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DOCUMENTS_PER_CHILD", 2)
    with Extractor() as extractor:
        extractor.extract(small)
        pid = child_of(extractor)
        extractor.extract(small)
        assert is_gone(pid)
        assert extractor.extract(small).text == "A clause."
        assert child_of(extractor) != pid


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_dies_costs_its_document_alone(small: Path, slow: Path, later: Later, number: int) -> None:
    with Extractor() as extractor:
        extractor.extract(small)
        later(0.5, lambda pid=extractor.pid: os.kill(pid, number))
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(slow)
        assert caught.value.reason is Reason.CRASHED
        assert f"signal {number}" in str(caught.value)
        assert extractor.extract(small).text == "A clause."


def test_what_this_process_holds_is_not_counted_for_a_child_that_dies(
    small: Path, slow: Path, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = bytearray(b"x" * (200 << 20))  # the system counts it for the children that are made meanwhile
    with Extractor(Limits(memory_bytes=150 << 20)) as extractor:
        monkeypatch.setattr(module.Child, "require_memory", lambda _child, _most: None)
        extractor.extract(small)
        later(0.5, lambda pid=extractor.pid: os.kill(pid, signal.SIGKILL))
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(slow)
    assert held
    assert caught.value.reason is Reason.CRASHED


def test_a_child_that_died_between_two_documents_costs_none(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Extractor() as extractor:
        extractor.extract(small)
        os.kill(child_of(extractor), signal.SIGKILL)
        with monkeypatch.context() as patch:
            # For a moment a killed child is neither alive nor gone: some of its threads are still ending.
            patch.setattr(module.Child, "is_alive", lambda _child: True)
            assert extractor.extract(small).text == "A clause."


def test_a_parser_that_hangs_is_ended(small: Path, slow: Path, later: Later) -> None:
    with Extractor(Limits(seconds=1.5)) as extractor:
        extractor.extract(small)
        pid = child_of(extractor)
        later(0.3, lambda: os.kill(pid, signal.SIGSTOP))
        begin = time.monotonic()
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(slow)
        assert caught.value.reason is Reason.TOO_SLOW
        assert 1.4 < time.monotonic() - begin < 10
        assert is_gone(pid)
        assert extractor.extract(small).text == "A clause."


@pytest.mark.parametrize(("mebibytes", "paragraphs"), [(100, 500_000), (256, 3_000_000)])
def test_a_parser_that_eats_memory_is_ended(small: Path, tmp_path: Path, mebibytes: int, paragraphs: int) -> None:
    greedy = tmp_path / "greedy.html"
    greedy.write_bytes(slow_page(paragraphs))
    with Extractor(Limits(memory_bytes=mebibytes * 1024**2)) as extractor:
        with pytest.raises(ExtractionFailure) as caught:
            extractor.extract(greedy)
        assert caught.value.reason is Reason.TOO_MUCH_MEMORY
        assert f"{mebibytes} MiB" in str(caught.value)
        assert extractor.extract(small).text == "A clause."


def test_the_heart_beats_while_a_document_is_read(small: Path, slow: Path) -> None:
    beats: list[float] = []
    with Extractor(heartbeat_seconds=0.3) as extractor:
        extractor.extract(small, heartbeat=lambda: beats.append(time.monotonic()))
        assert beats == []
        extractor.extract(slow, heartbeat=lambda: beats.append(time.monotonic()))
    assert len(beats) >= 2


def test_a_heartbeat_that_fails_ends_the_child_and_is_told(small: Path, slow: Path) -> None:
    def fail() -> None:
        raise ValueError("the row is gone")

    with Extractor(heartbeat_seconds=0.1) as extractor:
        extractor.extract(small)
        pid = child_of(extractor)
        with pytest.raises(ValueError, match="the row is gone"):
            extractor.extract(slow, heartbeat=fail)
        assert is_gone(pid)
        assert extractor.extract(small).text == "A clause."


def test_work_stops_on_request(slow: Path, small: Path, later: Later) -> None:
    stop = Stop()
    with Extractor() as extractor:
        extractor.extract(small)
        pid = child_of(extractor)
        later(0.3, stop.set)
        begin = time.monotonic()
        with pytest.raises(StoppedError):
            extractor.extract(slow, stop=stop)
        assert time.monotonic() - begin < 2
        assert is_gone(pid)


def test_a_child_ends_with_its_parent_in_the_midst_of_a_document(small: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.html"
    slow.write_bytes(slow_page(1_000_000))
    script = f"""
        from pathlib import Path
        from bootstrap_assets.documents.extraction.extractor import Extractor
        extractor = Extractor()
        extractor.extract(Path({str(small)!r}))
        print(extractor.pid, flush=True)
        extractor.extract(Path({str(slow)!r}))
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        assert not is_gone(pid)
        parent.kill()
    assert wait_until(lambda: is_gone(pid), 5)


def test_the_child_knows_no_secrets(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOYAGE_API_KEY", "secret")
    with Extractor() as extractor:
        extractor.extract(small)
        assert "VOYAGE_API_KEY" not in psutil.Process(child_of(extractor)).environ()


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('x', 'w')",
        "import os; os.remove('x')",
    ],
)
def test_the_child_neither_connects_nor_starts_nor_writes_anything(attempt: str, tmp_path: Path) -> None:
    script = f"""
        from bootstrap_assets.documents.extraction.confinement import confine
        confine(1 << 30)
        try:
            {attempt}
        except PermissionError as error:
            print("refused:", error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "refused:" in done.stdout


def test_a_thousand_small_documents_take_less_than_fifty_milliseconds_each(small: Path) -> None:
    with Extractor() as extractor:
        begin = time.monotonic()
        for _ in range(1000):
            extractor.extract(small)
        assert time.monotonic() - begin < 50


def test_a_child_that_cannot_start_is_a_failure(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MODULE", "no.such.module")
    with Extractor() as extractor, pytest.raises(ExtractionFailure) as caught:
        extractor.extract(small)
    assert caught.value.reason is Reason.CRASHED
