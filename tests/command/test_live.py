"""``--live``: what is shown is what is made, and nobody who looks changes it."""

import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.conftest import make_texture
from tests.live.conftest import Client
from texsynth.command import cli
from texsynth.errors import DivergenceError
from texsynth.live import server
from texsynth.synthesis.level_run import LevelRun

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "--levels", "1", "--layers", "conv1_1,pool1", "--engine", "plain"]


@pytest.fixture
def live(run, monkeypatch):
    """``live(look, arguments...)``: runs the command while ``look(client)`` is under way.

    Returns the command's result and what ``look`` returned. What is shown is never more than half
    a second old; here each step may be shown.
    """
    monkeypatch.setattr("texsynth.live.board._BETWEEN_FRAMES", 0.0)
    monkeypatch.setattr("texsynth.live.board._SHARE", 1e9)
    monkeypatch.setattr("texsynth.live.events._BETWEEN", 0.005)
    monkeypatch.setattr(server, "_PATIENCE", 0.3)
    monkeypatch.setattr(server.secrets, "token_urlsafe", lambda number: "token")

    main = run

    def live(look, *arguments, run=main):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        client = Client(f"http://127.0.0.1:{port}/token/")
        told = []

        def watch():
            until_there(client)
            told.append(look(client))

        thread = threading.Thread(target=watch)
        thread.start()
        result = run("--live", "--port", port, *arguments)
        thread.join(30)
        assert told, "the look failed"
        return result, told[0]

    return live


def until_there(client):
    for _ in range(1000):
        with contextlib.suppress(OSError):
            return client.ask("")
        time.sleep(0.01)
    raise AssertionError("there is no page")


def everything(client, on=lambda client, entry: None):
    """Follows the events to the end of all textures, as the page does; returns the last states."""
    entries = {}
    for _, message in client.events():
        for told in message.get("entries", ()):
            known = entries.get(told["number"], {"points": []})["points"]
            points = known[: told["points_from"]] + told["points"]
            entries[told["number"]] = {**told, "points": points}
            on(client, entries[told["number"]])
        ended = {"done", "stopped", "failed", "kept"}
        if entries and all(entry["status"] in ended for entry in entries.values()):
            break
    return entries


def slowed(monkeypatch, seconds=0.02):
    """Each step takes a while, so that there is something to look at."""
    steps = LevelRun.steps

    def slowly(self):
        for loss in steps(self):
            time.sleep(seconds)
            yield loss

    monkeypatch.setattr(LevelRun, "steps", slowly)


def test_the_address_is_told_and_the_files_have_the_same_bytes(folder, run, live, monkeypatch):
    slowed(monkeypatch)
    assert run("stone.png", "-n", 5, "-o", "without.png").exit_code == 0
    result, entries = live(everything, "stone.png", "-n", 5, "-o", "with.png")
    assert result.exit_code == 0, result.output
    assert "texsynth: to watch, open http://127.0.0.1:" in result.stderr
    for ending in ("", "_comparison"):
        assert (folder / f"with{ending}.png").read_bytes() == (
            folder / f"without{ending}.png"
        ).read_bytes()
    (entry,) = entries.values()
    assert entry["name"] == "with.png" and entry["status"] == "done"
    assert entry["files"] == ["with.png", "with_comparison.png"]


def test_the_loss_and_its_terms_are_those_of_each_step(folder, run, live, monkeypatch):
    slowed(monkeypatch)
    terms = ["--loss", "gram", "--loss", "spectrum=0.5"]
    options = ["stone.png", "-n", 6, "--record", "--preset", "gatys", *terms]
    result, entries = live(everything, *options)
    assert result.exit_code == 0, result.output
    history = json.loads((folder / "stone_record.json").read_text())["history"]
    points = entries[0]["points"]
    assert [point["loss"] for point in points] == history[0]
    for point in points:
        assert point["terms"].keys() == {"gram", "spectrum", "range"}
        assert sum(point["terms"].values()) == pytest.approx(point["loss"], rel=1e-5)


def test_frames_are_the_image_at_the_step_and_at_the_end_the_file(folder, live, monkeypatch):
    slowed(monkeypatch, 0.1)
    sizes = []

    def look(client, entry):
        if entry["frame"] is not None:
            answer = client.ask(f"frame/{entry['number']}?v={entry['frame']}")
            sizes.append((answer.status, len(answer.body)))

    result, _ = live(
        lambda client: everything(client, look), "stone.png", "-n", 6, "--snapshots", 1
    )
    assert result.exit_code == 0
    assert {status for status, _ in sizes} == {200} and len({size for _, size in sizes}) >= 3
    assert sizes[-1][1] == (folder / "stone_texture.png").stat().st_size


def test_stop_and_keep_gives_what_so_many_steps_give(folder, run, live, monkeypatch):
    slowed(monkeypatch, 0.05)

    def look(client, entry):
        if len(entry["points"]) >= 3:
            client.post("stop/0")

    options = ["stone.png", "--preset", "gatys"]
    result, entries = live(lambda client: everything(client, look), *options, "-n", 500)
    assert result.exit_code == 0 and "stopped on the page" in result.stderr
    entry = entries[0]
    steps = len(entry["points"])
    assert entry["status"] == "stopped" and 3 <= steps < 100
    assert run(*options, "-n", steps, "-o", "again.png").exit_code == 0
    with Image.open("stone_texture.png") as kept, Image.open("again.png") as again:
        assert kept.text["texsynth:reason"] == "interrupted"
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(again))


def test_what_was_stopped_on_the_page_is_resumed_from_its_checkpoint(
    folder, run, live, monkeypatch
):
    slowed(monkeypatch, 0.05)

    def look(client, entry):
        if len(entry["points"]) >= 2:
            client.post("stop/0")

    options = ["stone.png", "-n", 40, "-o", "whole.png"]
    assert run(*options).exit_code == 0
    whole = (folder / "whole.png").read_bytes()
    (folder / "whole.png").unlink()
    options += ["--checkpoint", "run.ckpt"]
    result, entries = live(lambda client: everything(client, look), *options)
    assert result.exit_code == 0 and entries[0]["status"] == "stopped"
    assert "to continue: --resume run.ckpt" in result.stderr
    assert CliRunner().invoke(cli.main, ["--resume", "run.ckpt"]).exit_code == 0
    assert (folder / "whole.png").read_bytes() == whole


def test_before_the_first_step_there_is_nothing_to_keep(folder, live, monkeypatch):
    slowed(monkeypatch, 0.2)

    def look(client, entry):
        if entry["status"] == "running" and not entry["points"]:
            client.post("stop/0")  # pressed in an instant: the first step is still taken

    _, entries = live(lambda client: everything(client, look), "stone.png", "-n", 500)
    assert entries[0]["status"] == "stopped" and len(entries[0]["points"]) == 1


def test_a_frame_that_cannot_be_taken_costs_the_frame_and_not_the_texture(
    folder, live, monkeypatch
):
    slowed(monkeypatch, 0.05)

    def refuse(progress):
        raise MemoryError("no room for a frame")

    monkeypatch.setattr("texsynth.synthesis.progress.Progress.pixels", refuse)
    result, entries = live(everything, "stone.png", "-n", 6)
    assert result.exit_code == 0 and entries[0]["status"] == "done"
    assert result.stderr.count("the page shows no more steps: MemoryError") == 1


def test_a_batch_is_a_wall_and_a_stop_ends_one_of_it(folder, live, monkeypatch):
    slowed(monkeypatch, 0.05)
    Image.fromarray(make_texture(40, 30, 1)).save("other.png")
    (folder / "broken.png").write_bytes(b"no picture")
    waiting = []

    def look(client, entry):
        waiting.append(entry["status"])
        if entry["number"] == 0 and entry["points"]:
            client.post("stop/0")

    images = ["stone.png", "broken.png", "other.png"]
    result, entries = live(lambda client: everything(client, look), *images, "-n", 8, "-o", "to/")
    assert result.exit_code == 1 and "stone_texture.png is unfinished" in result.stderr
    told = [(entries[n]["name"], entries[n]["status"]) for n in range(3)]
    assert told == [
        ("stone_texture.png", "stopped"),
        ("broken_texture.png", "failed"),
        ("other_texture.png", "done"),
    ]
    assert "broken.png is not an image" in entries[1]["message"]
    assert waiting[:3] == ["waiting"] * 3 or "waiting" in waiting
    assert len(entries[2]["points"]) == 8


def test_what_was_there_is_kept_and_shown(folder, run, live, monkeypatch):
    monkeypatch.setattr(server.Server, "_grace", 10.0)  # all is done before anybody can come
    assert run("stone.png", "--variations", 2, "-n", 2).exit_code == 0

    def look(client):
        entries = everything(client)
        small = client.ask("frame/1?small")
        return entries, small.status

    result, (entries, status) = live(look, "stone.png", "--variations", 2, "-n", 2)
    assert result.exit_code == 0 and status == 200
    assert [entry["status"] for entry in entries.values()] == ["kept", "kept"]


def test_what_tiles_is_shown_with_all_its_files(folder, live, monkeypatch):
    slowed(monkeypatch)
    result, entries = live(everything, "stone.png", "-n", 3, "--tile")
    assert result.exit_code == 0 and entries[0]["files"][-1] == "stone_tiled.png"


@pytest.mark.parametrize(
    ("words", "names", "exemplars"),
    [
        (["mix", "stone.png", "other.png"], ["stone_other_texture.png"], 2),
        (["mix", "stone.png", "other.png", "--steps", "2", "-o", "row/"],
         ["stone_other_step1_texture.png", "stone_other_step2_texture.png"], 2),
        (["repair", "stone.png", "--tile", "xy", "--band", "8"], ["stone_repaired.png"], 1),
        (["--target-guide", "map.png", "--region", "red=stone.png", "--region", "blue=other.png"],
         ["map_texture.png"], 2),
    ],
    ids=["mix", "row", "repair", "regions"],
)  # fmt: skip
def test_mixtures_repairs_and_maps_are_shown_too(
    folder, live, monkeypatch, random_weights_file, words, names, exemplars
):
    slowed(monkeypatch, 0.3)
    Image.fromarray(make_texture(40, 30, 1)).save("other.png")
    parts = np.zeros((32, 32, 3), np.uint8)
    parts[:, :16, 0] = parts[:, 16:, 2] = 255
    Image.fromarray(parts).save("map.png")
    weights = "--network-weights" if "mix" in words else "--weights"
    options = ["--levels", "1", "-n", "2", "--engine", "plain", weights, str(random_weights_file)]
    options += [] if "repair" in words else ["--size", "32"]

    def run(*given):
        return CliRunner().invoke(cli.main, [*words, *map(str, given), *options])

    result, entries = live(everything, run=run)
    assert result.exit_code == 0, result.output
    assert [entry["name"] for entry in entries.values()] == names
    assert all(entry["status"] == "done" for entry in entries.values())
    assert all(entry["exemplars"] == exemplars for entry in entries.values())


def test_a_port_alone_is_told_of_by_the_words_too(folder):
    result = CliRunner().invoke(cli.main, ["repair", "stone.png", "--tile", "xy", "--port", "1"])
    assert result.exit_code == 2 and "--port is where --live can be seen" in result.output


def test_what_goes_wrong_is_told_on_the_page_and_ends_the_command(folder, live, monkeypatch):
    def fail(self):
        time.sleep(0.3)
        raise DivergenceError("it went too far")

    monkeypatch.setattr(LevelRun, "steps", fail)
    result, entries = live(everything, "stone.png", "-n", 3)
    assert result.exit_code == 1 and "it went too far" in result.stderr
    assert (entries[0]["status"], entries[0]["message"]) == ("failed", "it went too far")


def test_without_a_page_it_ends_at_once(folder, run):
    began = time.monotonic()
    result = run("stone.png", "-n", 1, "--live", "-q")
    assert result.exit_code == 0 and "http://127.0.0.1:" in result.stderr
    assert "done" not in result.stderr and time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "8000"], "--port is where --live can be seen; give both"),
        (["--live", "--distributed"], "--live cannot be combined with --distributed"),
        (["--live", "--port", "70000"], "Invalid value for '--port'"),
    ],
)
def test_options_that_do_not_go_together(folder, run, options, told):
    result = run("stone.png", *options)
    assert result.exit_code == 2 and told in result.stderr


def test_a_port_that_is_taken_ends_it_before_anything_is_made(folder, run):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = run("stone.png", "--live", "--port", other.getsockname()[1])
    assert result.exit_code == 2 and "cannot be had" in result.stderr
    assert not (folder / "stone_texture.png").exists()


@pytest.mark.slow
def test_a_run_that_is_pestered_makes_the_same_bytes(folder, run, live, monkeypatch):
    slowed(monkeypatch, 0.05)
    assert run("stone.png", "-n", 20, "-o", "alone.png").exit_code == 0
    refused = []

    def look(client):
        ended = threading.Event()

        def pester():
            hosts = {"Host": "evil.example"}
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    refused.append(client.ask("frame/0", **hosts).status)
                    refused.append(client.ask("", token="wrong").status)
                    refused.append(client.ask("file/0/..%2f..%2fstone.png").status)
                    refused.append(client.post("stop/0", Origin="http://evil.example").status)
                    refused.append(client.post("upload", b"x" * (1 << 20)).status)
                    refused.append(client.ask("", "DELETE").status)

        threads = [threading.Thread(target=pester) for _ in range(4)]
        for thread in threads:
            thread.start()
        entries = everything(client)
        ended.set()
        for thread in threads:
            thread.join()
        return entries

    result, entries = live(look, "stone.png", "-n", 20, "-o", "pestered.png")
    assert result.exit_code == 0 and entries[0]["status"] == "done"
    assert len(refused) > 100 and set(refused) == {421, 404, 403, 405}
    assert (folder / "pestered.png").read_bytes() == (folder / "alone.png").read_bytes()
