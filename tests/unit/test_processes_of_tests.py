"""What the processes that a test starts have in common."""

import subprocess
import sys


def test_a_process_keeps_what_it_compiles_for_the_next_one() -> None:
    """Also where the shell forbids it, as images for containers do."""
    command = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
    assert not sys.dont_write_bytecode
