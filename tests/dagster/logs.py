"""What a log of the deployment complains of, each complaint with the lines around it."""

COMPLAINTS = ("WARN", "Warn", "eprecat", "ERROR", "Traceback")

DAGSTER_S_OWN = ("site-packages/dagster/",)
"""Its daemon calls a function of its own that it has deprecated (asset_daemon.py, AssetSelection.keys)."""

GRPC_S_FRAME = "in grpc._cython.cygrpc.PollerCompletionQueue._handle_events"
GRPC_S_LAST_LINES = (
    "OSError: [Errno 9] Bad file descriptor",
    "BlockingIOError: [Errno 11] Resource temporarily unavailable",
)
"""All event loops of a process read one queue of gRPC, and the daemon has a loop in each of its threads: one finds
that another has read the queue, or has closed it with its last call. Nothing is lost (gRPC's issue 25364)."""

AROUND = 3
"""Lines that are shown before a complaint and after it."""


def complaints(log: str) -> list[str]:
    """Warnings, errors and tracebacks in a log, each whole and with some lines around it.

    Those that Dagster and gRPC have to answer for are not among them.
    """
    lines = log.splitlines()
    return [_with_surroundings(lines, at) for at in range(len(lines)) if _is_complaint(lines, at)]


def _is_complaint(lines: list[str], at: int) -> bool:
    if any(own in lines[at] for own in DAGSTER_S_OWN) or not any(word in lines[at] for word in COMPLAINTS):
        return False
    return not _is_of_grpc(lines[at : _last_line(lines, at) + 1])


def _is_of_grpc(traceback: list[str]) -> bool:
    """Whether that is the traceback of a loop that came too late to gRPC's queue."""
    return (
        "Traceback" in traceback[0]
        and traceback[-1] in GRPC_S_LAST_LINES
        and traceback[-2].endswith(GRPC_S_FRAME)  # a compiled one: it has no line of source
    )


def _last_line(lines: list[str], at: int) -> int:
    """The line that names a traceback's exception: the first that is indented no deeper. Else the line itself."""
    if "Traceback" not in lines[at]:
        return at
    depth = _indent(lines[at])
    rest = range(at + 1, len(lines))
    return next((number for number in rest if _indent(lines[number]) <= depth), len(lines) - 1)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _with_surroundings(lines: list[str], at: int) -> str:
    return "\n".join(lines[max(at - AROUND, 0) : _last_line(lines, at) + AROUND + 1])
