"""A run and a search with a server that has OpenAI's API: a corpus embedded over HTTP on loopback."""

import json

import pytest

from tests.integration.test_cli import environ, invoke  # noqa: F401
from tests.unit.test_openai_compatible import Server, server  # noqa: F401


def test_a_corpus_is_embedded_and_searched_with_it(
    server: Server,  # noqa: F811
    environ: dict[str, str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"BASE_URL": server.url, "MODEL": "bge-small", "DIMENSIONS": "4", "CONTEXT": "128"}
    monkeypatch.setenv("BOOTSTRAP_EMBEDDER", "openai_compatible")
    for name, value in settings.items():
        monkeypatch.setenv(f"BOOTSTRAP_OPENAI_COMPATIBLE_{name}", value)
    [plan] = json.loads(invoke("plan", "bonterms", "--json").stdout)["sources"]
    assert invoke("run", "bonterms").exit_code == 0
    assert sum(len(body["input"]) for _, _, body in server.requests) == plan["send"]
    assert max(len(body["input"]) for _, _, body in server.requests) <= 32
    [space] = json.loads(invoke("spaces", "list", "--json").stdout)
    assert (space["provider"], space["model"], space["state"]) == ("openai_compatible", "bge-small", "active")
    assert (space["dimensions"], space["missing"], space["indexed"]) == (4, 0, True)
    command = ("search", "limitation of liability", "-k", "3", "--mode", "vector", "--json")
    assert len(json.loads(invoke(*command).stdout)["results"]) == 3
