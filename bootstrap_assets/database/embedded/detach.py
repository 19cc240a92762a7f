"""Starts a program that outlives whoever asked: `python detach.py UID GID LOG PROGRAM [ARGUMENT]...`.

Prints the program's process id. Run by its path, as a process of its own: it forks, which a process with threads
must not do, and gives up root's rights (UID other than -1) before it opens the log. No shell sees the arguments.
"""

import os
import sys


def main(uid: int, gid: int, log: str, command: list[str]) -> None:
    """Start it in a session of its own, with nothing on its stdin and both outputs appended to the log."""
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        reason = os.read(reader, 1000)  # exec closes the other end
        if reason:
            sys.exit(reason.decode(errors="replace"))
        print(child)  # noqa: T201
        return
    try:
        os.setsid()
        if uid != -1:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.chdir("/")
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.execv(command[0], command)
    except OSError as error:
        os.write(writer, str(error).encode())
    os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
