"""The report as a browser lays it out. Skipped where there is no Chromium."""

import re
from html import escape
from pathlib import Path

import pytest

from bootstrap_assets.embedding.context import Corpus
from tests import documents
from tests.browser.chromium import look_at, require_chromium
from tests.integration.test_index import local_space
from tests.integration.test_report import fill, keep_quality, measured, report
from tests.made_up_source import contracts

FRAME = """<iframe srcdoc="{page}" style="border: 0; width: {width}px; height: 900px"></iframe><script>
document.querySelector("iframe").addEventListener("load", event => {{
    const page = event.target.contentDocument;
    const tiles = [...page.querySelectorAll(".tiles div")].map(it => it.getBoundingClientRect().right);
    document.title = "page " + page.documentElement.scrollWidth + " tiles " + Math.ceil(Math.max(...tiles));
}});
</script>"""
"""The page on a screen of some width; Chromium's own window has a least one."""


@pytest.mark.parametrize("width", [320, 390, 700, 1200])
def test_nothing_of_the_report_is_cut_at_the_side(corpus: Corpus, tmp_path: Path, width: int) -> None:
    require_chromium()
    local = local_space(corpus)
    fill(local, contracts(5))
    keep_quality(local, measured(local, contract_nli=documents.contract_nli(), cuad=documents.cuad()))
    framed = tmp_path / "report.html"
    framed.write_text(FRAME.format(page=escape(report(local)), width=width))
    shown = look_at(framed.as_uri(), tmp_path / "profile", milliseconds=1_000)
    found = re.search(r"<title>page (\d+) tiles (\d+)</title>", shown)
    assert found
    assert max(map(int, found.groups())) <= width
