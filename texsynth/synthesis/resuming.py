"""Checkpoints of a synthesis: when one is saved, and whether one belongs to the job at hand."""

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from texsynth import images
from texsynth.errors import CheckpointError, ConfigError
from texsynth.files import checkpoint
from texsynth.synthesis import environment
from texsynth.typing import Array, Batch, StrPath

if TYPE_CHECKING:
    from texsynth.synthesis.study import Study

_log = logging.getLogger(__name__)

_FILES = {
    "another exemplar or target": "exemplar",
    "another image to start from": "init",
    "other weights": "weights",
    "another photograph to repair": "photo",
    "another mask": "mask",
}
# Of a scheme; versions that did not save them had none.
_METHOD = ("pad", "least_positions", "detail", "own_colours", "own_units", "wraps")
_EARLIER_METHOD = {**dict.fromkeys(_METHOD, False), "pad": 0, "least_positions": 0}


class Checkpoints:
    """Where a synthesis saves its state, how often, and what it goes on from.

    Args:
        path: Path of the checkpoint; its folder must exist. ``None`` saves none.
        every (int): Steps after which one is saved. One is saved at the end, too.
        resume: Path of the checkpoint to go on from; ``None`` begins anew.
        notes (dict): Plain values to keep with each.

    Attributes:
        path: Where they are saved.
        lengthened (bool): Whether what was resumed began with fewer steps, once it has begun.
        is_saved (bool): Whether the last state that was to be saved is.
        is_there (bool): Whether any state of this synthesis is at ``path``.

    Raises:
        texsynth.errors.CheckpointError: There is no checkpoint to go on from that is whole.
    """

    def __init__(
        self,
        path: StrPath | None = None,
        every: int = 20,
        resume: StrPath | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self._every, self._notes = path, every, notes or {}
        self._resumed: Any = None if resume is None else load(resume)
        self._resume = resume
        self.lengthened = self.is_saved = False
        self.is_there = resume is not None and path is not None and Path(path) == Path(resume)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of what is resumed, a dict for :meth:`texsynth.Config.from_dict`."""
        with self.reading():
            return {**self._resumed.fields["job"]["settings"]}

    @property
    def notes(self) -> dict[str, Any]:
        """The notes that were kept with what is resumed."""
        with self.reading():
            return {**self._resumed.fields["notes"]}

    def keep(self, notes: Mapping[str, Any]) -> None:
        """Keeps other notes from now on.

        Args:
            notes (dict): Plain values.
        """
        self._notes = notes

    def is_due(self, step: int) -> bool:
        """Returns whether one is to be saved after a step.

        Args:
            step (int): Which step of its level, from 1.
        """
        return self.path is not None and step % self._every == 0

    def begin(self, study: "Study", seed: int, init: Batch | None) -> checkpoint.Checkpoint | None:
        """Makes sure that what is resumed is this job, and takes over how it was made.

        Args:
            study (texsynth.synthesis.study.Study): The exemplar; its plan of memory may change.
            seed (int): Seed of the start.
            init: ``(1, 3, H, W)`` array to start from, or ``None``.

        Returns:
            texsynth.files.checkpoint.Checkpoint: To go on from; ``None`` to begin anew.

        Raises:
            texsynth.errors.CheckpointError: A field of the checkpoint is missing or wrong.
            texsynth.errors.ConfigError: It is another job's; the differences are named.
        """
        if self.path is None and self._resumed is None:
            return None
        self._job = describe(study, seed, init)
        resumed: checkpoint.Checkpoint | None = self._resumed
        self._resumed = None  # large; who goes on takes it apart
        if resumed is not None:
            self._take_over(resumed.fields, study)
        self._environment = environment.describe(study.workshop)
        if resumed is not None:
            with self.reading():
                was = resumed.fields["environment"]
                changed = environment.differences(was, self._environment)
            if changed:
                _log.warning("the result may differ in its last bits: %s", "; ".join(changed))
        return resumed

    def _take_over(self, fields: Mapping[str, Any], study: Any) -> None:
        """Makes sure that fields are of this job, and takes over how it was made."""
        with self.reading():
            _check_same(fields["job"], self._job, self._resume)
            study.adopt(fields["plan"])
            self.lengthened = bool(fields["lengthened"]) or (
                self._job["iterations"] != fields["job"]["iterations"]
            )

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A context manager under which a field that is missing or odd is a CheckpointError."""
        try:
            yield
        except ConfigError:
            raise
        except (
            KeyError, TypeError, AttributeError, IndexError, ValueError, OverflowError,
        ) as error:  # fmt: skip
            raise CheckpointError(
                f"{self._resume} is not a checkpoint of texsynth: {type(error).__name__} {error}"
            ) from error

    def save(
        self, study: "Study", fields: Mapping[str, Any], arrays: Iterable[tuple[str, Array]]
    ) -> None:
        """Saves the state, or warns and goes on where it cannot be written.

        All processes must call it; the first one writes.

        Args:
            study (texsynth.synthesis.study.Study): The exemplar.
            fields (dict): Plain values.
            arrays: Pairs of name and array, gathered as they are taken.
        """
        if self.path is None:
            return
        if study.workshop.team.rank > 0:
            for _ in arrays:  # each is gathered by all
                pass
            return
        fields = {
            "job": self._job,
            "environment": self._environment,
            "plan": study.memory_plan,
            "notes": self._notes,
            "lengthened": self.lengthened,
            **fields,
        }
        try:
            self.is_saved = False
            checkpoint.save(self.path, fields, arrays)
            self.is_saved = self.is_there = True
            _log.debug("checkpoint %s", self.path)
        except (CheckpointError, ValueError) as error:  # the latter of a history without end
            _log.warning("%s; continuing without it", error)
            for _ in arrays:
                pass


def load(path: StrPath) -> checkpoint.Checkpoint:
    """Returns the last checkpoint that is whole: that of the path, or the one before it.

    Args:
        path: Path of the checkpoint.

    Raises:
        texsynth.errors.CheckpointError: Neither is.
    """
    try:
        return checkpoint.load(path)
    except CheckpointError as error:
        previous = checkpoint.previous_of(path)
        if not Path(previous).is_file():
            raise
        _log.warning("%s; continuing from %s", error, previous)
        return checkpoint.load(previous)


def describe(study: "Study", seed: int, init: Batch | None) -> dict[str, Any]:
    """Returns what decides on a texture, plain values by name.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar and the settings, but for the seed.
        seed (int): Seed of the start.
        init: ``(1, 3, H, W)`` array to start from, or ``None``.
    """
    workshop = study.workshop
    settings = workshop.config.as_dict() | {"seed": seed}
    del settings["weights"]  # wherever they are, the checksum tells
    described = {
        "settings": settings,
        "iterations": study.scheme.iterations,
        "method": {name: getattr(study.scheme, name) for name in _METHOD},
        "levels": [[*level.exemplar_size, *level.canvas_size] for level in study.plan],
        "losses": [type(loss).__name__ for loss in study.losses],
        "exemplar_sha256": study.checksum(),
        "init_sha256": None if init is None else images.checksum(init),
        "weights_sha256": workshop.weights.checksum(),
        **{f"{name}_sha256": checksum for name, checksum in study.checksums().items()},
    }
    read: dict[str, Any] = json.loads(json.dumps(described))  # as it will be
    return read


def _check_same(then: Mapping[str, Any], now: Mapping[str, Any], path: StrPath | None) -> None:
    """Raises a ConfigError unless a job is the same, or the same with more steps."""
    told = [
        f"{name} was {before}, not {now['settings'].get(name)}"
        for name, before in then["settings"].items()
        if _differs(name, before, now["settings"].get(name))
    ]
    if {**_EARLIER_METHOD, **then.get("method", {})} != now["method"]:
        told.append("an earlier version saved it, whose preset was another")
    if now["iterations"] < then["iterations"]:
        told.append(f"iterations were {then['iterations']} and can only increase")
    others = {
        name: told
        for told, name in _FILES.items()
        if then.get(f"{name}_sha256") != now.get(f"{name}_sha256")
    }
    if others.keys() & {"photo", "mask"}:
        others.pop("exemplar", None)  # which was made of them
    told += others.values()
    if then["losses"] != now["losses"]:
        told.append(f"losses were {', '.join(then['losses'])}")
    if not told and _levels_differ(then, now):
        told.append("an earlier version saved it, whose levels may be others")
    if told:
        raise ConfigError(f"{path} belongs to a different job: {'; '.join(told)}")


def _levels_differ(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether levels are of other sizes, or may be: early versions did not save them."""
    if "levels" in then:
        return bool(then["levels"] != now["levels"])
    return len(now["levels"]) > 1


def _differs(name: str, before: Any, after: Any) -> bool:
    """Whether a setting that had this value makes it another job."""
    if name == "gpu":  # whichever: each process of a team has its own
        return bool((before < 0) != (after < 0))
    return bool(name not in ("iterations", "quick") and before != after)
