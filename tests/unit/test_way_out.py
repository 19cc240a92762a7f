"""How requests leave this machine: what is sent of credentials, and what is said where nothing can leave."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootstrap_assets.embedding.choose import choose_embedder
from bootstrap_assets.embedding.providers.protocol import InputType
from bootstrap_assets.embedding.providers.voyage import VoyageEmbedder
from bootstrap_assets.embedding.providers.voyage_models import voyage_model
from bootstrap_assets.errors import (
    AccessError,
    BootstrapError,
    ConfigurationError,
    NoAnswerError,
    ProviderError,
)
from bootstrap_assets.settings import load_settings
from tests.fakes.voyage_server import VoyageServer

SECRET = "pa-secret"
AWAY = "https://api.example.invalid/v1"


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc with an entry for every host."""
    file = tmp_path / "netrc"
    file.write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(file))


@pytest.fixture
def closed_port() -> int:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def ask(url: str, *, key: str = SECRET, timeout: float = 5.0) -> BootstrapError | None:
    embedder = VoyageEmbedder(voyage_model("voyage-4-large"), key, url, timeout=timeout)
    try:
        embedder.embed(["one"], InputType.DOCUMENT)
    except BootstrapError as error:
        return error
    return None


class Recorder(BaseHTTPRequestHandler):
    """Answers every request with one status, and keeps what was asked."""

    status = 200
    headers_sent: tuple[tuple[str, str], ...] = ()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply()

    def do_GET(self) -> None:
        self.reply()

    def do_CONNECT(self) -> None:
        self.reply()

    def reply(self) -> None:
        self.server.asked.append((self.command, dict(self.headers)))  # type: ignore[attr-defined]
        self.send_response(self.status)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(status: int, *headers: tuple[str, str]) -> Iterator[ThreadingHTTPServer]:
    handler = type("Scripted", (Recorder,), {"status": status, "headers_sent": headers})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(server: ThreadingHTTPServer) -> list[tuple[str, dict[str, str]]]:
    return server.asked  # type: ignore[attr-defined,no-any-return]


@pytest.mark.usefixtures("netrc")
def test_the_key_is_sent_and_not_what_netrc_holds() -> None:
    with VoyageServer(key=SECRET) as server:
        assert ask(server.url) is None


@pytest.mark.usefixtures("netrc")
def test_a_session_that_somebody_else_left_in_this_thread_is_not_used() -> None:
    import requests
    import voyageai
    from voyageai.api_resources import api_requestor

    voyageai.requestssession = None
    with VoyageServer(key=SECRET) as server:
        api_requestor._thread_context.session = requests.Session()
        assert ask(server.url) is None


@pytest.mark.usefixtures("netrc")
def test_a_refused_key_is_told_with_the_entry_of_netrc_that_was_not_sent() -> None:
    with VoyageServer(key="another") as server:
        error = ask(server.url)
    assert isinstance(error, AccessError)
    assert "the .netrc entry for 127.0.0.1 is not sent" in str(error)


@pytest.mark.usefixtures("netrc")
def test_after_a_redirect_to_another_host_neither_the_key_nor_netrc_is_sent() -> None:
    with serving(401) as other:
        port = other.server_address[1]
        with serving(307, ("Location", f"http://localhost:{port}/v1/embeddings")) as first:
            ask(f"http://127.0.0.1:{first.server_address[1]}/v1")
            assert asked(first)[0][1]["Authorization"] == f"Bearer {SECRET}"
            assert "Authorization" not in asked(other)[0][1]


def test_an_address_with_credentials_is_refused_without_showing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTSTRAP_VOYAGE_BASE_URL", "https://user:hush@proxy.example/v1")
    with pytest.raises(ConfigurationError, match="BOOTSTRAP_VOYAGE_BASE_URL") as raised:
        load_settings()
    assert "hush" not in str(raised.value)


def test_a_key_for_the_other_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from bootstrap_assets.embedding.providers.voyage_errors import denial

    told = str(denial(AccessError("Voyage AI answered 403"), "https://api.voyageai.com/v1", "al-x"))
    assert "keys that begin with al- are for ai.mongodb.com" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "http://:8080@:"),
        ("https_proxy", "http://"),
        ("HTTPS_PROXY", "http://host:port"),
        ("HTTPS_PROXY", "http://user:hush@host:99999"),
        ("ALL_PROXY", "ftp://host:1"),
        ("HTTPS_PROXY", "[::1"),
    ],
)
def test_a_malformed_proxy_is_told_by_its_variable_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    error = ask(AWAY)
    assert isinstance(error, ConfigurationError)
    assert f"{name} is not the address of a proxy" in str(error)
    assert "hush" not in str(error)


def test_a_socks_proxy_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap_assets.web.find_spec", lambda _name: None)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert "ALL_PROXY names a SOCKS proxy: that needs the package PySocks" in str(ask(AWAY))


def test_what_cannot_leave_is_told_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://:8080@:")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        choose_embedder(load_settings(voyage_api_key=SECRET))


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_that_is_gone_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/gone/corporate.pem")
    error = ask("https://127.0.0.1:9/v1")
    assert isinstance(error, ConfigurationError)
    assert f"{name}: there is no CA bundle /gone/corporate.pem" in str(error)


def test_a_ca_bundle_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    assert "bundle.pem is no CA bundle (it holds no certificates)" in str(ask("https://127.0.0.1:9/v1"))


def test_a_dead_proxy_is_named_and_nothing_was_sent(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:hush@127.0.0.1:{closed_port}")
    error = ask(AWAY)
    assert isinstance(error, ProviderError)
    assert "the proxy that HTTPS_PROXY names cannot be reached: Connection refused" in str(error)
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (407, ConfigurationError, "wants another user name and password than HTTPS_PROXY holds"),
        (403, ConfigurationError, "does not connect to api.example.invalid: it answered 403"),
        (503, ProviderError, "it answered 503"),
    ],
)
def test_a_proxy_that_refuses_its_tunnel_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: type[BootstrapError], words: str
) -> None:
    with serving(status) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        error = ask(AWAY)
    assert type(error) is kind, error
    assert words in str(error)


def test_a_407_without_a_tunnel_is_no_fault_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(407) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        error = ask("http://api.example.invalid/v1")
    assert isinstance(error, ConfigurationError)
    assert "HTTP_PROXY" in str(error)


def test_a_name_that_is_not_known_was_not_sent_to() -> None:
    assert isinstance(ask("http://api.example.invalid/v1"), ProviderError)


def test_a_server_without_tls_is_a_matter_of_configuration() -> None:
    with serving(200) as server:
        error = ask(f"https://127.0.0.1:{server.server_address[1]}/v1")
    assert isinstance(error, ConfigurationError)
    assert "does not speak TLS" in str(error)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_a_certificate_that_is_not_trusted_is_told_and_a_bundle_of_its_own_is_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    made = [*command.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(401) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_address[1]}/v1"
        error = ask(url)
        assert isinstance(error, ConfigurationError)
        assert "certificate of 127.0.0.1 is not trusted" in str(error)
        assert "REQUESTS_CA_BUNDLE" in str(error)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert isinstance(ask(url), AccessError)


@contextmanager
def listening(reply: bool) -> Iterator[int]:
    """A server that takes connections and reads, but never answers; without `reply` it does not even take them."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        taken: list[socket.socket] = []

        def take() -> None:
            try:
                while reply:
                    taken.append(server.accept()[0])
            except OSError:
                pass

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in taken:
        connection.close()


def test_a_handshake_without_an_answer_was_nothing_sent() -> None:
    with listening(reply=True) as port:
        assert isinstance(ask(f"https://127.0.0.1:{port}/v1", timeout=0.2), ProviderError)


def test_a_request_without_an_answer_may_be_charged() -> None:
    with listening(reply=True) as port:
        error = ask(f"http://127.0.0.1:{port}/v1", timeout=0.2)
    assert isinstance(error, NoAnswerError)
    assert "no answer of 127.0.0.1 within 0.2 s" in str(error)


def test_a_retired_model_is_told_with_its_replacement() -> None:
    with serving(410) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        embedder = VoyageEmbedder(voyage_model("voyage-law-2"), SECRET, url)
        with pytest.raises(ConfigurationError, match=r"410.*voyage-law-2 is retired: .*VOYAGE_MODEL=voyage-4 "):
            embedder.embed(["one"], InputType.DOCUMENT)
