import threading
from collections.abc import Iterator

import pytest

from bootstrap_assets.embedding.dispatch import dispatch
from bootstrap_assets.stopping import Stop


def test_every_request_is_answered_once() -> None:
    answers = list(dispatch(range(50), lambda number: number * 2, workers=4, stop=Stop()))
    assert sorted(answers) == [(number, number * 2) for number in range(50)]


def test_no_more_requests_are_drawn_than_can_be_in_flight() -> None:
    drawn = answered = 0

    def requests() -> Iterator[int]:
        nonlocal drawn
        for number in range(30):
            drawn += 1
            assert drawn - answered <= 3
            yield number

    for _ in dispatch(requests(), lambda number: number, workers=3, stop=Stop()):
        answered += 1
    assert answered == 30


def test_requests_are_in_flight_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=10)
    assert len(list(dispatch(range(4), lambda _: together.wait(), workers=4, stop=Stop()))) == 4


def test_an_error_is_raised_after_the_answers_of_the_requests_in_flight() -> None:
    failed = threading.Event()
    drawn: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            failed.set()
            raise ValueError("the first")
        failed.wait(10)
        return number

    def requests() -> Iterator[int]:
        for number in range(10):
            drawn.append(number)
            yield number

    answered: list[int] = []

    def collect() -> None:
        for request, _ in dispatch(requests(), work, workers=3, stop=Stop()):
            answered.append(request)

    with pytest.raises(ValueError, match="the first"):
        collect()
    assert {1, 2} <= set(answered)
    assert set(answered) == set(drawn) - {0}
    assert len(drawn) < 10
