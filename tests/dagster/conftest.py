"""The tests of a deployment stay together, and in order."""

from itertools import groupby

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of one module that share a deployment stay in the order of the file, however others are shuffled."""
    ordered = [
        item
        for path, together in groupby(items, key=lambda item: item.path)
        for item in (sorted(together, key=_line) if path.name == "test_deployment.py" else together)
    ]
    items[:] = ordered


def _line(item: pytest.Item) -> int:
    return item.location[1] or 0
