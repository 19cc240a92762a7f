"""Several requests in flight at once, never more than `workers`; answers are handed out as they come."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from itertools import islice
from typing import TypeVar

from bootstrap_assets.stopping import Stop

Request = TypeVar("Request")
Answer = TypeVar("Answer")


def dispatch(
    requests: Iterable[Request], work: Callable[[Request], Answer], *, workers: int, stop: Stop
) -> Generator[tuple[Request, Answer], None, None]:
    """Run `work` on each request in a thread pool; yields (request, answer) in the order of completion.

    Requests are drawn only as workers get free, so that memory holds no more than those in flight. An error
    of `work` is raised once the requests in flight have ended, and the answers of these are yielded before.
    `stop` is set as soon as anything goes wrong, an interrupt too: `work` should then end its waits. Where it is
    set from outside, no further request is drawn.
    """
    pending = iter(requests)
    running: dict[Future[Answer], Request] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool:
        try:
            while True:
                if not stop.is_set():
                    for request in islice(pending, workers - len(running)):
                        running[pool.submit(copy_context().run, work, request)] = request
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    request = running.pop(future)
                    error = future.exception()
                    if error is None:
                        yield request, future.result()
                    else:
                        failure = failure or error
                        stop.set()
        except BaseException:
            stop.set()
            raise
    if failure is not None:
        raise failure
