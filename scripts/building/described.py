"""What the package says of itself on an index's page: its README and where its source is."""

import re
import subprocess
from email import message_from_string
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^]]*)\]\((?P<target>[^)\s]+)\)")

_ORIGIN = re.compile(
    r"(?:(?:https?|ssh|git)://)?(?:[^@/]+@)?"  # git@
    r"([\w-]+(?:\.[\w-]+)+)(?::\d+)?"  # host.name:22
    r"[:/](.+?)(?:\.git)?/?"  # :owner/name.git
)


def source():
    """Returns where the source is on the web, as ``https://...``; ``None`` if nothing here tells.

    In a clone that is where it was cloned from; in an sdist, what the sdist says of itself.
    """
    if (ROOT / "PKG-INFO").is_file():
        described = message_from_string((ROOT / "PKG-INFO").read_text(encoding="utf-8"))
        labelled = (url.split(", ", 1) for url in described.get_all("Project-URL", []))
        return dict(labelled).get("Source")
    return _on_the_web(_origin())


def absolute(text, address):
    """Returns a README whose links to files and pictures hold wherever it is shown.

    Args:
        text (str): Markdown with links relative to the root.
        address (str): What :func:`source` returned; ``None`` leaves the text as it is.
    """
    if address is None:
        return text

    def link(found):
        picture, text, target = found["picture"], found["text"], found["target"]
        if "://" not in target and not target.startswith("#"):
            target = f"{address}/{'raw' if picture else 'blob'}/HEAD/{target}"
        return f"{picture}[{text}]({target})"

    return _LINK.sub(link, text)


def _origin():
    # Not of a repository that this folder may lie in.
    command = ["git", "--git-dir", str(ROOT / ".git"), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except OSError:  # no git
        return ""
    return done.stdout.strip()


def _on_the_web(origin):
    """Makes ``https://host/owner/name`` of what git clones from, if that is on a host."""
    found = re.fullmatch(_ORIGIN, origin)
    return f"https://{found[1]}/{found[2]}" if found else None
