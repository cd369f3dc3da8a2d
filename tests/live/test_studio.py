"""The studio by requests: photographs, uploads, orders, the queue; and hostile ones."""

import http.client
import io
import json
import shlex
import struct
import threading
import time
from types import SimpleNamespace
from zlib import compress, crc32

import pytest
from click.testing import CliRunner
from PIL import Image

from tests.browser import view, wait_for
from tests.conftest import make_texture
from tests.live.conftest import Client
from texsynth.command import cli
from texsynth.command.desk import Desk
from texsynth.command.on_page import OnPage
from texsynth.command.photographs import Photographs
from texsynth.live import Board, server, studio, uploads

pytestmark = [
    pytest.mark.usefixtures("weights_read_once"),
    pytest.mark.xdist_group("live page"),  # one of them has the browser
]


def png(seed=0, width=40, height=30):
    buffer = io.BytesIO()
    Image.fromarray(make_texture(width, height, seed)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/stone.png").write_bytes(png())
    (tmp_path / "studio/uploads").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def desk(folder, random_weights_file):
    """A studio that is served; ``work()`` does what is next in the queue."""
    from pathlib import Path

    board, out = Board("Studio"), Path("studio")
    options = ["--weights", str(random_weights_file), "--engine", "plain"]
    desk = Desk(board, Photographs(Path(), out / "uploads", out), out, options)
    with server.served(board, make=lambda board: studio.make(board, desk)) as where:
        client = Client(where.address)
        yield SimpleNamespace(
            client=client,
            board=board,
            desk=desk,
            work=lambda: desk.work(True, OnPage(board)),
            photographs=lambda: json.loads(client.ask("photographs").body),
        )


def order(desk, **wanted):
    answer = desk.client.post("order", json.dumps(wanted).encode())
    return answer.status, answer.body.decode()


SMALL = {"size": "32", "iterations": "2", "levels": "1"}


def test_the_page_has_the_form_and_the_photographs_of_the_folder(desk, folder):
    (folder / ".hidden.png").write_bytes(png())
    (folder / "notes.txt").write_text("no picture")
    (folder / "a/b/c/d").mkdir(parents=True)
    (folder / "a/b/c/far.png").write_bytes(png())
    (folder / "a/b/c/d/too far.png").write_bytes(png())
    (folder / "link.png").symlink_to("/etc/hostname")
    (folder / "again").symlink_to(folder / "photos")
    assert b'id="studio"' in desk.client.ask("").body
    told = desk.photographs()
    assert [each["name"] for each in told] == ["a/b/c/far.png", "photos/stone.png"]
    small = desk.client.ask(f"photograph/{told[1]['number']}")
    assert Image.open(io.BytesIO(small.body)).size == (40, 30)
    assert desk.client.ask("photograph/99").status == 404


def test_what_is_made_is_what_the_shown_command_makes(desk, folder):
    number = desk.photographs()[0]["number"]
    status, told = order(desk, photograph=number, seed="3", tile="x", **SMALL)
    assert (status, told) == (200, '{"numbers":[0]}')
    (entry,) = desk.board.changes({})
    assert (entry["status"], entry["exemplars"]) == ("waiting", 1)
    assert desk.work() == 0
    (entry,) = desk.board.changes({})
    assert entry["status"] == "done" and len(entry["points"]) == 2
    words = shlex.split(entry["command"])
    assert words[:4] == ["python", "-m", "texsynth", "photos/stone.png"]
    again = [word.replace("studio/0001/", "again/") for word in words[3:]]
    assert CliRunner().invoke(cli.main, again).exit_code == 0
    for place, name in enumerate(entry["files"]):
        made = (folder / "again" / name).read_bytes()
        assert desk.client.ask(f"file/0/{place}").body == made
    assert len(entry["files"]) == 3


def test_variations_are_a_wall_and_each_order_has_a_folder(desk, folder):
    number = desk.photographs()[0]["number"]
    for _ in range(2):
        assert order(desk, photograph=number, variations="2", **SMALL)[0] == 200
        assert desk.work() == 0
    told = desk.board.changes({})
    assert [(each["name"], each["status"]) for each in told] == [
        ("0001: photos/stone.png, seed 0", "done"),
        ("0001: photos/stone.png, seed 1", "done"),
        ("0002: photos/stone.png, seed 0", "done"),
        ("0002: photos/stone.png, seed 1", "done"),
    ]
    assert (folder / "studio/0002/stone_seed1_texture.png").is_file()


def test_a_later_studio_takes_other_folders(desk, folder):
    from pathlib import Path

    (folder / "studio/0041").mkdir()
    again = Desk(Board("Studio"), Photographs(Path(), folder, folder), folder / "studio")
    assert next(again._folders) == 42


def test_a_run_is_taken_out_of_the_queue_only_before_its_turn(desk):
    number = desk.photographs()[0]["number"]
    for _ in range(2):
        assert order(desk, photograph=number, **SMALL)[0] == 200
    assert desk.client.post("remove/1").status == 200
    assert desk.client.post("remove/1").status == 409
    assert desk.client.post("remove/7").status == 404
    assert desk.work() == desk.work() == 0
    assert desk.client.post("remove/0").status == 409
    first, second = desk.board.changes({})
    assert (first["status"], second["status"]) == ("done", "failed")
    assert second["message"] == "removed from the queue"


def test_an_upload_is_a_photograph_under_a_name_of_our_own(desk, folder):
    name = "../../..%2Fetc%2Fpasswd%00%0A<b>.html"
    answer = desk.client.post("upload", png(5), X_Name=name)
    assert answer.status == 200
    number = json.loads(answer.body)["number"]
    first = desk.photographs()[0]
    assert first == {"number": number, "name": "passwd\ufffd <b>.html"}
    assert [path.name for path in (folder / "studio/uploads").iterdir()] == ["0001.png"]
    assert desk.client.ask(f"photograph/{number}").status == 200
    assert order(desk, photograph=number, **SMALL)[0] == 200
    assert desk.work() == 0
    assert (folder / "studio/0001/0001_texture.png").is_file()


def test_a_photograph_is_dropped_anywhere_on_the_page(desk, browser, folder):
    browser.get(f"http://127.0.0.1:{desk.client.port}/{desk.client.token}/")
    wait_for(browser, "document.querySelector('#photographs input') !== null")
    browser.execute_script(
        "const data = new DataTransfer();"
        "data.items.add(new File([new Uint8Array(arguments[0])], 'dropped.png'));"
        "const told = {dataTransfer: data, bubbles: true, cancelable: true};"
        "const event = new DragEvent('drop', told);"
        "document.getElementById('studio-name').dispatchEvent(event);",
        list(png(7)),
    )
    wait_for(browser, "document.getElementById('upload-told').textContent.includes('is chosen')")
    chosen = browser.find_element("css selector", "#photographs :checked + img + span")
    assert chosen.text == "dropped.png" and browser.find_element("id", "make").is_enabled()
    assert (folder / "studio/uploads/0001.png").read_bytes() == png(7)
    browser.find_element("id", "make").click()
    wait_for(browser, "document.getElementById('command').textContent !== ''")
    for width in (320, 360, 1280):
        view(browser, width)
        page = browser.execute_script("return document.documentElement.scrollWidth")
        assert page <= width


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        png()[:200],
        b"GIF89a" + b"\xff" * 1000,
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%PDF-1.4",
    ],
    ids=["empty", "html", "bad png", "cut off", "bad gif", "svg", "pdf"],
)
def test_what_is_no_image_is_refused_in_one_line_and_not_kept(desk, folder, content):
    answer = desk.client.post("upload", content, X_Name="a.png")
    assert answer.status == 422 and len(answer.body.decode().splitlines()) == 1
    assert answer.body.startswith(b"a.png") and b"uploads" not in answer.body
    assert list((folder / "studio/uploads").iterdir()) == []


def test_a_bomb_is_refused_as_it_is_of_files(desk, folder):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", compress(bytes(9))) + chunk(b"IEND", b"")
    bomb = b"\x89PNG\r\n\x1a\n" + chunks
    answer = desk.client.post("upload", bomb, X_Name="bomb.png")
    assert answer.status == 422 and b"too many pixels" in answer.body
    assert list((folder / "studio/uploads").iterdir()) == []


def test_a_gigabyte_is_refused_unread(desk, folder):
    connection = http.client.HTTPConnection("127.0.0.1", int(desk.client.port), timeout=20)
    connection.putrequest("POST", f"/{desk.client.token}/upload", skip_host=True)
    told = {"Host": desk.client.host, "Origin": f"http://{desk.client.host}"}
    for name, value in {**told, "Content-Length": str(1 << 30)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and b"at most 256 MiB" in answer.read()
    connection.close()
    assert list((folder / "studio/uploads").iterdir()) == []


def test_a_length_that_is_not_told_ends_at_the_limit(desk, folder, monkeypatch):
    monkeypatch.setattr(uploads, "LARGEST", 1 << 20)
    connection = http.client.HTTPConnection("127.0.0.1", int(desk.client.port), timeout=20)
    headers = {"Host": desk.client.host, "Origin": f"http://{desk.client.host}"}
    sent = [0]

    def endless():
        for _ in range(1000):
            sent[0] += 1
            yield b"x" * (1 << 16)

    place = f"/{desk.client.token}/upload"
    try:
        connection.request("POST", place, endless(), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except ConnectionError:  # cut off while it was still sending
        assert sent[0] < 1000
    connection.close()
    assert desk.client.ask("").status == 200
    assert list((folder / "studio/uploads").iterdir()) == []


def test_a_page_that_goes_away_in_the_middle_leaves_nothing(desk, folder):
    connection = http.client.HTTPConnection("127.0.0.1", int(desk.client.port), timeout=20)
    connection.putrequest("POST", f"/{desk.client.token}/upload", skip_host=True)
    told = {"Host": desk.client.host, "Origin": f"http://{desk.client.host}"}
    for name, value in {**told, "Content-Length": "100000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 5000)
    time.sleep(0.2)
    connection.close()
    for _ in range(100):
        if not list((folder / "studio/uploads").iterdir()):
            break
        time.sleep(0.05)
    assert list((folder / "studio/uploads").iterdir()) == []


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ([], "choose a photograph first"),
        ({"preset": "natural"}, "choose a photograph first"),
        ({"photograph": "../../etc/passwd"}, "choose a photograph first"),
        ({"photograph": 99}, "there is no such photograph any more"),
        ({"photograph": -1}, "there is no such photograph any more"),
        ({"photograph": 0, "out": "/etc"}, "the form has no out"),
        ({"photograph": 0, "preset": "--out=/etc"}, "preset cannot be '--out=/etc'"),
        ({"photograph": 0, "preset": ["natural"]}, "preset cannot be"),
        ({"photograph": 0, "preset": "nonsense"}, "Invalid value for '--preset'"),
        ({"photograph": 0, "size": "9" * 300}, "size cannot be"),
        ({"photograph": 0, "tile": "x --overwrite"}, "tile cannot be"),
        ({"photograph": 0, "seed": "\u0661"}, "seed cannot be"),
        ({"photograph": 0, "variations": "101"}, "at most 100 variations"),
        ({"photograph": 0, "variations": "0"}, "Invalid value for '--variations'"),
    ],
)
def test_an_order_is_what_the_form_has_and_nothing_else(desk, wanted, told):
    desk.photographs()
    answer = desk.client.post("order", json.dumps(wanted).encode())
    assert answer.status == 422 and told in answer.body.decode()
    assert desk.board.changes({}) == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
def test_an_order_that_is_no_json(desk, body):
    assert desk.client.post("order", body).status == 400


def test_a_long_order_is_refused(desk):
    assert desk.client.post("order", b" " * 20_000).status == 413


@pytest.mark.parametrize("path", ["upload", "order", "remove/0"])
def test_another_site_changes_nothing(desk, folder, path):
    for origin in ("http://evil.example", "null", None):
        assert desk.client.post(path, png(), Origin=origin).status == 403
    assert list((folder / "studio/uploads").iterdir()) == []


def test_what_cannot_be_made_is_told_and_the_next_is_made(desk, folder):
    told = desk.photographs()
    (folder / "photos/stone.png").write_bytes(b"no picture any more")
    number = told[0]["number"]
    assert order(desk, photograph=number, **SMALL)[0] == 200
    assert desk.work() == 1
    (folder / "photos/stone.png").write_bytes(png())
    assert order(desk, photograph=number, **SMALL)[0] == 200
    assert desk.work() == 0
    first, second = desk.board.changes({})
    assert (first["status"], second["status"]) == ("failed", "done")
    assert "photos/stone.png is not an image" in first["message"]


def test_a_photograph_that_looks_like_an_option_or_a_word(desk, folder):
    for name in ("--version.png", "-q.png"):
        (folder / name).write_bytes(png())
    told = {each["name"]: each["number"] for each in desk.photographs()}
    assert order(desk, photograph=told["--version.png"], **SMALL)[0] == 200
    assert desk.work() == 0
    (entry,) = desk.board.changes({})
    assert entry["status"] == "done" and " ./--version.png " in entry["command"]


def test_the_game_is_a_page_of_its_own(desk):
    number = desk.photographs()[0]["number"]
    assert order(desk, photograph=number, **SMALL)[0] == 200
    assert desk.client.ask("real/0").status == 404
    desk.work()
    page = desk.client.ask("real/0").body.decode()
    assert "stone.png</b>" in page and 'src="../exemplar/0/0"' in page
    for path in ("exemplar/0/0", "frame/0"):
        picture = Image.open(io.BytesIO(desk.client.ask(path).body))
        assert picture.size == (32, 24)


def test_orders_from_many_sides_have_folders_of_their_own(desk):
    number = desk.photographs()[0]["number"]
    threads = [
        threading.Thread(target=order, args=(desk,), kwargs={"photograph": number, **SMALL})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [told["name"] for told in desk.board.changes({})]
    assert sorted(names) == [f"{n:04d}: photos/stone.png" for n in range(1, 9)]
