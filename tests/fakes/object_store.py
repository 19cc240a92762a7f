"""A store of objects on the loopback interface that has S3's API, by moto."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
import pytest
import requests
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """The address of a store that belongs to the tests of one module."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def empty_client(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the store, which is empty now; our own clients find store and key in the environment."""
    requests.post(f"{store}/moto-api/reset", timeout=10)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)


@contextmanager
def wrong_key(store: str) -> Iterator[None]:
    """Let the store refuse every key."""
    requests.post(f"{store}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        yield
    finally:
        requests.post(f"{store}/moto-api/reset-auth", data=b"1000000", timeout=10)
