"""What can go wrong with a provider, and the plans by which the fake one does it."""

import random
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Protocol


class Fault(StrEnum):
    """One way to fail a request that was in order.

    Refused, never charged: `server_error` to `bad_request`, and `reset`, which cuts the line before a first byte.
    Answered with 200 and charged: all after `reset`. Of these `slow` and `shuffled` are good answers, and those
    rows of `nan` and `zero` are good that are not hit.
    """

    server_error = "server_error"
    bad_gateway = "bad_gateway"
    unavailable = "unavailable"
    gateway_timeout = "gateway_timeout"
    unknown_error = "unknown_error"
    """520, which the real client takes for an answer."""
    rate_limited = "rate_limited"
    rate_limited_without_retry_after = "rate_limited_without_retry_after"
    quota = "quota"
    unauthorized = "unauthorized"
    forbidden = "forbidden"
    bad_request = "bad_request"
    reset = "reset"
    reset_midway = "reset_midway"
    """RST after half of the body."""
    truncated = "truncated"
    """The connection is closed after half of the body that Content-Length announced."""
    cut_json = "cut_json"
    """Half of the body, with a Content-Length that agrees."""
    stalled = "stalled"
    """Half of the body, then silence for the server's `slow_seconds`."""
    slow = "slow"
    """Silence for the server's `slow_seconds`, then the answer."""
    wrong_count = "wrong_count"
    extra = "extra"
    wrong_dimension = "wrong_dimension"
    nan = "nan"
    """NaN in each third vector, from the first on."""
    all_nan = "all_nan"
    zero = "zero"
    """Each third vector is zero, from the first on."""
    shuffled = "shuffled"
    """The vectors in reverse order, each with its right index."""
    not_json = "not_json"
    bad_utf8 = "bad_utf8"
    empty_body = "empty_body"
    no_usage = "no_usage"
    """JSON with neither data nor usage."""


REFUSALS: dict[Fault, tuple[int, str]] = {
    Fault.server_error: (500, "Internal Server Error"),
    Fault.bad_gateway: (502, "Bad Gateway"),
    Fault.unavailable: (503, "The service is overloaded. Please try again later."),
    Fault.gateway_timeout: (504, "Gateway Timeout"),
    Fault.unknown_error: (520, "Web server is returning an unknown error"),
    Fault.rate_limited: (429, "Rate limit reached. Please slow down."),
    Fault.rate_limited_without_retry_after: (
        429,
        "You have not yet added your payment method in the billing page and will have reduced rate limits of "
        "3 RPM and 10K TPM.",
    ),
    Fault.quota: (429, "You have insufficient credits: the quota of your organization is exceeded."),
    Fault.unauthorized: (401, "Provided API key is invalid."),
    Fault.forbidden: (403, "Your API key is not allowed to use this endpoint."),
    Fault.bad_request: (400, "The request could not be processed."),
}
"""Status and detail of each fault that is a refusal."""

UNPLANNED = frozenset(
    {Fault.unauthorized, Fault.forbidden, Fault.quota, Fault.bad_request, Fault.slow, Fault.stalled}
)
"""What stays until somebody changes something, or takes long: served only where it is named."""

PASSING = tuple(fault for fault in Fault if fault not in UNPLANNED)
"""What random faults are drawn from: another attempt gets over them, and in little time."""


class FaultPlan(Protocol):
    """Decides for each request, in the order of arrival; the server's lock is held meanwhile."""

    def draw(self) -> Fault | None:
        """The fault of the next request, None for a good answer."""


class FaultScript:
    """The given faults in order (None: a good answer), then good answers for good."""

    def __init__(self, faults: Iterable[Fault | None]) -> None:
        self._left = iter(faults)

    def draw(self) -> Fault | None:
        return next(self._left, None)


class RandomFaults:
    """A share (0 to 1) of requests fails, with one of `kinds`; the same seed, the same sequence."""

    def __init__(self, share: float, kinds: Sequence[Fault] = PASSING, seed: int | None = None) -> None:
        if not 0 <= share <= 1 or not kinds:
            raise ValueError("a share lies between 0 and 1, and at least one kind of fault is needed")
        self._share = share
        self._kinds = tuple(kinds)
        self._random = random.Random(seed)

    def draw(self) -> Fault | None:
        return self._random.choice(self._kinds) if self._random.random() < self._share else None


class Always:
    """Every request fails with the same fault."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def draw(self) -> Fault | None:
        return self._fault


def plan_of(told: Any) -> FaultPlan:
    """A plan from JSON: `{"share": 0.3, "kinds": […], "seed": 7}`, `{"script": […]}`, `{"always": "quota"}`.

    `{}` means no faults. ValueError for what is none of these.
    """
    match told:
        case {"script": list(names)}:
            return FaultScript([None if name is None else Fault(name) for name in names])
        case {"always": str(name)}:
            return Always(Fault(name))
        case {"share": int() | float() as share}:
            kinds = [Fault(name) for name in told.get("kinds") or PASSING]
            return RandomFaults(share, kinds, told.get("seed"))
        case dict() if not told:
            return FaultScript([])
    raise ValueError('faults are {"share": …, "kinds": […], "seed": …}, {"script": […]} or {"always": …}')
