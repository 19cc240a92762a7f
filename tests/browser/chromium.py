"""Headless Chromium, if there is one: a page as a browser builds it, as HTML and as a picture."""

import shutil
import subprocess
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--window-size=1400,900",
)


def require_chromium() -> str:
    """Its path; the test is skipped where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


def look_at(url: str, profile: Path, *, picture: Path | None = None, milliseconds: int = 20_000) -> str:
    """The HTML of a page after that many milliseconds of its own time; instead a picture of it, if asked for."""
    wanted = f"--screenshot={picture}" if picture else "--dump-dom"
    own = (f"--user-data-dir={profile}", f"--virtual-time-budget={milliseconds}", wanted)
    command = [require_chromium(), *FLAGS, *own, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
