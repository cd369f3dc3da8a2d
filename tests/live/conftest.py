"""What the tests of the page share: a board that is served, and requests by hand."""

import http.client
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from tests import browser as chromium
from texsynth.live import Board, Step, server


def step(number=1, level=1, loss=0.5, **others):
    """A step of a level of ten."""
    told = {"levels": 2, "steps": 10, "fraction": number / 20, "seconds_left": 3.0, "size": (8, 6)}
    return Step(level=level, step=number, loss=loss, **{**told, **others})


def picture(value=0, width=8, height=6):
    return np.full((height, width, 3), value, np.uint8)


class Client:
    """Requests by hand, with the headers that are asked for and no others."""

    def __init__(self, address):
        self.port, self.token = re.fullmatch(r"http://127.0.0.1:(\d+)/(\S+)/", address).groups()
        self.host = f"127.0.0.1:{self.port}"

    def ask(self, path, method="GET", body=None, token=None, **headers):
        """Returns status, headers and body."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"Host": self.host, **headers}
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=20)
        try:
            place = f"/{self.token if token is None else token}/{path}"
            connection.putrequest(method, place, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return SimpleNamespace(
                status=answer.status, headers=dict(answer.getheaders()), body=answer.read()
            )
        finally:
            connection.close()

    def post(self, path, body=b"", **headers):
        """A POST as the page sends it."""
        return self.ask(path, "POST", body, **{"Origin": f"http://{self.host}", **headers})

    def events(self):
        """Yields the events of a stream, ``(name, value)``; the connection ends with it."""
        connection = http.client.HTTPConnection("127.0.0.1", int(self.port), timeout=20)
        connection.request("GET", f"/{self.token}/events", headers={"Host": self.host})
        answer = connection.getresponse()
        try:
            name = None
            while line := answer.readline():
                key, _, value = line.decode().strip().partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    yield name, json.loads(value)
        finally:
            answer.close()
            connection.close()


browser = chromium.browser


@pytest.fixture
def board():
    return Board("Textures")


@pytest.fixture
def client(board):
    with server.served(board) as where:
        yield Client(where.address)
