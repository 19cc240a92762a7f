"""The quick form of what hosts in network namespaces show; `make cluster` runs the long one."""

from pathlib import Path

import pytest

from tests.cluster import proofs
from tests.cluster.network import why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")


def test_a_host_that_is_cut_off_pays_for_nothing_that_another_took(tmp_path: Path) -> None:
    row = proofs.cut_off(tmp_path, texts=8_000)
    assert row.passed, "\n".join([*row.wrong, row.told])
