"""The order of the tests of a deployment."""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those of one module that share a deployment stay in the order of the file, however others are shuffled."""
    places = [place for place, item in enumerate(items) if item.get_closest_marker("deployment")]
    ordered = sorted((items[place] for place in places), key=lambda item: (str(item.path), item.location[1] or 0))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item
