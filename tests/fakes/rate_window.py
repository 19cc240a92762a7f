"""Requests and tokens per minute, as a sliding window, and what was made of it in the end."""

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What was admitted in a time: the most in any window, and the average per window (see `usage_of`)."""

    most_requests: int
    most_tokens: int
    average_requests: float
    average_tokens: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class RateWindow:
    """Admits at most `rpm` requests and `tpm` tokens (None: any number) in any `seconds`. Not thread-safe."""

    def __init__(self, rpm: int | None, tpm: int | None, seconds: float) -> None:
        self.rpm = rpm
        self.tpm = tpm
        self.seconds = seconds
        self._admitted: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def admit(self, now: float, tokens: int) -> float | None:
        """Admit a request that arrives `now` (seconds, never falling): None, or the seconds it has to wait.

        A request of more than `tpm` tokens is never admitted.
        """
        self._forget(now)
        wait = self._wait(now, tokens)
        if wait is None:
            self._admitted.append((now, tokens))
            self._tokens += tokens
        return wait

    def _forget(self, now: float) -> None:
        while self._admitted and now - self._admitted[0][0] >= self.seconds:
            self._tokens -= self._admitted.popleft()[1]

    def _wait(self, now: float, tokens: int) -> float | None:
        requests_left, tokens_left = len(self._admitted), self._tokens
        if self._fits(requests_left, tokens_left + tokens):
            return None
        for arrived, freed in self._admitted:
            requests_left, tokens_left = requests_left - 1, tokens_left - freed
            if self._fits(requests_left, tokens_left + tokens):
                return arrived + self.seconds - now
        return self.seconds

    def _fits(self, requests_before: int, tokens: int) -> bool:
        return (self.rpm is None or requests_before < self.rpm) and (self.tpm is None or tokens <= self.tpm)


def usage_of(admitted: Iterable[tuple[float, int]], seconds: float) -> Usage:
    """Usage by windows of `seconds`, from (arrival, tokens) of the requests that were admitted.

    The average is over the whole windows that fit between the first and the last arrival, so that neither a burst
    at the start nor a tail weighs in; where not one fits, it is over the time between the two, without the last.
    """
    arrivals = sorted(admitted)
    if not arrivals:
        return Usage(0, 0, 0.0, 0.0)
    requests, tokens = _most(arrivals, seconds)
    first, last = arrivals[0][0], arrivals[-1][0]
    windows = (last - first) // seconds
    end = first + windows * seconds if windows else last
    inside = [tokens for arrived, tokens in arrivals if arrived < end]
    share = (end - first) / seconds or 1.0
    return Usage(requests, tokens, len(inside) / share, sum(inside) / share)


def _most(arrivals: list[tuple[float, int]], seconds: float) -> tuple[int, int]:
    window: deque[tuple[float, int]] = deque()
    tokens = most_requests = most_tokens = 0
    for arrived, more in arrivals:
        while window and arrived - window[0][0] >= seconds:
            tokens -= window.popleft()[1]
        window.append((arrived, more))
        tokens += more
        most_requests, most_tokens = max(most_requests, len(window)), max(most_tokens, tokens)
    return most_requests, most_tokens
