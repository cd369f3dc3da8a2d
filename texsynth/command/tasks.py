"""Which textures a batch has, and where each goes, once it is sure that all can be written."""

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from texsynth.command.composition import Composition
from texsynth.command.outputs import Outputs, check_format, is_file_name, make_folder
from texsynth.command.stack_outputs import StackOutputs
from texsynth.config import Config
from texsynth.errors import ConfigError, ImageError, TexsynthError


class Task(NamedTuple):
    """One texture of a batch.

    Attributes:
        number (int): Which of all, from 1.
        config (texsynth.Config): The settings, with its own seed.
        subject: The exemplar's path, or the composition in its place.
        outputs (texsynth.command.outputs.Outputs): The files to write.
        name (str): What it is called in messages.
    """

    number: int
    config: Config
    subject: Path | Composition
    outputs: Outputs
    name: str


def plan(order):
    """Returns the tasks, those of an image side by side, once it is sure that all can be written.

    Args:
        order (texsynth.command.order.Order): What is to be made: several textures. The seed is that
            of the first variation.

    Returns:
        list of Task: In the order of the images and seeds.

    Raises:
        texsynth.errors.ConfigError: It is to be written to what is no folder; two textures would
            have the same name; one would overwrite what is read; or the seed would make no
            difference.
        texsynth.errors.TexsynthError: An image is not there, or the folder cannot be made or
            written.
    """
    tasks, folder = planned(order), order.out or Path()
    make_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write to {folder}: {error.strerror}") from error
    return tasks


def planned(order):
    """Returns the tasks, as far as they can be told without writing anything.

    Args:
        order (texsynth.command.order.Order): As for :func:`plan`.

    Returns:
        list of Task: In the order of the images and seeds.

    Raises:
        texsynth.errors.TexsynthError: As :func:`plan`, but for a folder that cannot be written.
    """
    sources, init_path = order.sources, order.sources.init_path
    if (sources.variations or 1) > 1 and init_path is not None:
        raise ConfigError(
            f"--variations: all textures would start from {init_path} and be the same"
        )
    folder = order.out or Path()
    if not order.makes_folder and not folder.is_dir() and is_file_name(folder):
        raise ConfigError(f"--out must be a folder for several textures, not {folder}")
    tasks = _tasks(order, folder)
    for task in tasks if order.keeping.written is None else ():
        check_format(task.outputs.texture, order.keeping)
    _check_inputs(sources.exemplars)
    _check_outputs(tasks, sources.pictures)
    return tasks


def _tasks(order, folder):
    sources, config = order.sources, order.config
    tasks, pictures = [], tuple(dict.fromkeys(sources.pictures))
    for subject in sources.subjects:
        for number in range(sources.variations or 1):
            own = dataclasses.replace(config, seed=config.seed + number)
            is_alone = sources.variations is None
            seed = "" if is_alone else f"_seed{own.seed}"
            name = str(subject) if is_alone else f"{subject} (seed {own.seed})"
            if order.keeping.written is None:
                target = folder / f"{subject.stem}{seed}_texture.png"
                outputs = Outputs(target, config.tile, order.keeping, pictures)
            else:
                place = folder if len(sources.subjects) == 1 else folder / subject.stem
                one = None if is_alone else own.seed
                outputs = StackOutputs.of(subject, place, order.keeping, pictures, one)
            tasks.append(Task(len(tasks) + 1, own, subject, outputs, name))
    return tasks


def _check_inputs(paths):
    """Makes sure that all images are there: a word that is none may be a slip of the whole."""
    missing = []
    for path in paths:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(str(path))
        except OSError:  # told when it is read
            continue
    if missing:
        raise ImageError(f"no such file: {', '.join(missing)}; nothing was made")


def _check_outputs(tasks, inputs):
    read = {_identity(path): path for path in inputs}
    read.pop(None, None)
    written = {}
    for task in tasks:
        for path in task.outputs.paths:
            other = written.setdefault(os.path.normcase(path), task)
            if other is not task:
                names = f"{other.subject} and {task.subject}"
                raise ConfigError(f"{names} would both write {path}")
            if (source := read.get(_identity(path))) is not None:
                raise ConfigError(f"{path} would overwrite {source}, which is an input")


def _identity(path):
    """What two paths of one file have in common; ``None`` if there is no such file."""
    try:
        status = path.stat()
    except OSError:  # told when it is read or written
        return None
    return status.st_dev, status.st_ino
