"""Who is let in, by requests over a socket; and that a run goes on whatever is asked."""

import contextlib
import http.client
import socket
import threading

import pytest

from tests.live.conftest import picture, step
from texsynth.errors import ConfigError, TexsynthError
from texsynth.live import Status, server
from texsynth.live.gate import POLICY


def test_the_page_comes_with_its_policy_and_only_from_here(client):
    answer = client.ask("")
    assert answer.status == 200 and b"<h1>texsynth</h1>" in answer.body
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY and POLICY.startswith("default-src 'none'")
    for name, value in {
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "same-origin",
    }.items():
        assert answer.headers[name] == value
    assert "server" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers


def test_nothing_in_the_page_is_from_elsewhere(client):
    from texsynth.live import assets

    for name in assets.names((".html", ".css", ".js", ".svg")):
        text = assets.text_of(name).replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and '"//' not in text, name
        assert "style=" not in text and " onclick" not in text and "<style" not in text, name


@pytest.mark.parametrize("token", ["", "wrong", "x" * 22, "%00", "..", "é"])
def test_another_token_gets_nothing(client, board, token):
    board.entry("a", "secret name")
    for path in ("", "events", "frame/0", "page/live.js"):
        quoted = token.encode().decode("latin-1") if token != "é" else "%C3%A9"
        answer = client.ask(path, token=quoted)
        assert answer.status == 404 and b"secret" not in answer.body


def test_a_part_of_the_token_gets_nothing(client):
    for token in (client.token[:-1], client.token + "a", client.token.swapcase()):
        assert client.ask("", token=token).status == 404


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "[::1]:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1:{port}@evil.example",
    ],
)
def test_another_host_is_refused(client, host):
    answer = client.ask("", Host=host.format(port=client.port))
    assert answer.status == 421


def test_localhost_is_this_machine_too(client):
    assert client.ask("", Host=f"localhost:{client.port}").status == 200


def test_a_request_without_a_host_or_with_two_is_refused(client):
    for hosts in (b"", b"Host: evil.example\r\nHost: 127.0.0.1:%s\r\n" % client.port.encode()):
        with socket.create_connection(("127.0.0.1", int(client.port)), 10) as connection:
            head = f"GET /{client.token}/ HTTP/1.1\r\n".encode()
            connection.sendall(head + hosts + b"\r\n")
            assert connection.recv(100).split()[1] in (b"400", b"421")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": None},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_what_changes_anything_comes_from_the_page_itself(client, board, headers):
    entry = board.entry("a", "one")
    entry.begin([])
    told = {name: value and value.format(port=client.port) for name, value in headers.items()}
    assert client.post("stop/0", **told).status == 403
    assert not entry.is_to_end
    assert client.post("stop/0", Sec_Fetch_Site="same-origin").status == 200
    assert entry.is_to_end


def test_only_what_is_under_way_can_be_stopped(client, board):
    entry = board.entry("a", "one")
    assert client.post("stop/0").status == 409
    entry.end(Status.DONE)
    assert client.post("stop/0").status == 409
    assert not entry.is_to_end


def test_another_page_may_not_look_but_a_person_may_follow_a_link(client):
    assert client.ask("events", Origin="http://evil.example").status == 403
    told = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert client.ask("page/live.js", **told).status == 403
    assert client.ask("", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_only_what_is_understood_is_done(client, board):
    board.entry("a", "one")
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert client.ask("", method, Origin=f"http://{client.host}").status == 405
    assert client.ask("stop/0").status == 405
    assert client.post("").status == 405
    assert client.ask("", "HEAD").body == b""
    assert not board[0].is_to_end


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "page/../board.py",
        "page/..%2fboard.py",
        "page/%2e%2e/board.py",
        "page//etc/passwd",
        "page/live.html",
        "file/0/../../../etc/passwd",
        "file/0/%2fetc%2fpasswd",
        "file/0/1",
        "file/0/-1",
        "file/1/0",
        "file/99999999999999999999999/0",
        "frame/1",
        "exemplar/0/0",
        "exemplar/0/7",
        "stop/5",
        "%00",
        "%ff%fe",
        "\\..\\..\\etc",
    ],
)
def test_no_other_file_can_be_had(client, board, tmp_path, path):
    saved = tmp_path / "a_texture.png"
    saved.write_bytes(b"the texture")
    board.entry("a", "one").end(Status.DONE, [saved])
    assert client.ask("file/0/0").body == b"the texture"
    answer = client.ask(path)
    assert answer.status in (400, 404, 405) and b"root:" not in answer.body


def test_a_download_keeps_its_name_whatever_that_is(client, board, tmp_path):
    saved = tmp_path / 'a"; filename=b.html\r\nX: 日本.png'
    saved.write_bytes(b"bytes")
    board.entry("a", "one").end(Status.DONE, [saved])
    answer = client.ask("file/0/0")
    assert answer.body == b"bytes" and answer.headers["content-type"] == "image/png"
    told = answer.headers["content-disposition"]
    assert told.startswith("attachment; filename*=UTF-8''a%22%3B") and "X" not in answer.headers
    saved.unlink()
    assert client.ask("file/0/0").status == 404
    assert client.ask("frame/0").status == 422


def test_large_heads_and_bodies_are_refused_unread(client, board):
    assert client.ask("", X="a" * 20_000).status == 431
    with contextlib.suppress(ConnectionError):  # it is cut off before all of it is sent
        assert client.ask("", X="a" * 1_000_000).status == 400
    connection = http.client.HTTPConnection("127.0.0.1", int(client.port), timeout=20)
    connection.putrequest("POST", f"/{client.token}/stop/0", skip_host=True)
    for name, value in (("Host", client.host), ("Content-Length", str(1 << 30))):
        connection.putheader(name, value)
    connection.putheader("Origin", f"http://{client.host}")
    connection.endheaders()
    assert connection.getresponse().status == 404
    connection.close()
    assert client.ask("").status == 200


@pytest.mark.slow
def test_ten_thousand_requests_and_the_run_goes_on(client, board):
    """Half of them hostile, from four sides at once, while steps are told of."""
    entry = board.entry("a", "one")
    entry.begin([])
    counts, lock = {}, threading.Lock()

    def ask(kind):
        connection = http.client.HTTPConnection("127.0.0.1", int(client.port), timeout=20)
        host = "evil.example" if kind == "host" else client.host
        token = "wrong" if kind == "token" else client.token
        path = "file/0/..%2f..%2fetc%2fpasswd" if kind == "path" else ""
        for _ in range(2500):
            connection.request("GET", f"/{token}/{path}", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            with lock:
                counts[kind, answer.status] = counts.get((kind, answer.status), 0) + 1
        connection.close()

    kinds = ("host", "token", "path", "right")
    threads = [threading.Thread(target=ask, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    steps = 0
    while any(thread.is_alive() for thread in threads):
        steps += 1
        entry.step(step(steps), {"gram": 1.0}, picture)
        threads[0].join(0.01)
    assert counts == {
        ("host", 421): 2500, ("token", 404): 2500, ("path", 404): 2500, ("right", 200): 2500
    }  # fmt: skip
    assert steps > 10 and board.changes({})[0]["points"][-1]["terms"] == {"gram": 1.0}


def test_a_page_that_goes_away_is_forgotten(client, board):
    board.entry("a", "one")
    events = client.events()
    name, told = next(events)
    assert name == "all" and told["title"] == "Textures" and board.is_watched
    events.close()
    for number in range(200):
        if not board.is_watched:
            break
        board.entry("a", "one").step(step(number), {}, picture)
        threading.Event().wait(0.05)
    assert not board.is_watched


def test_the_end_is_told_and_connections_are_closed(board):
    from tests.live.conftest import Client

    with server.served(board) as where:
        events = Client(where.address).events()
        assert next(events)[0] == "all"
        thread = threading.Thread(target=lambda: setattr(board, "is_over", True))
        thread.start()
        assert [name for name, _ in events] == ["changes", "over"]
    with pytest.raises(OSError):
        Client(where.address).ask("")


def test_it_listens_on_this_machine_alone(client):
    with socket.socket() as other:
        other.settimeout(2)
        name = socket.gethostbyname(socket.gethostname())
        if name.startswith("127."):
            pytest.skip("this machine has no other address")
        with pytest.raises(OSError):
            other.connect((name, int(client.port)))


def test_a_port_that_is_taken_is_a_line(board):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"--port: 127.0.0.1:{port} cannot be had: Address"),
            server.served(board, port),
        ):
            pass


def test_without_the_libraries_it_says_what_to_install(board, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    told = pytest.raises(TexsynthError, match="the page needs starlette and uvicorn: pip install")
    with told, server.served(board):
        pass
