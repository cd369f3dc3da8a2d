"""What is kept of the making of a texture, and how it is written."""

from dataclasses import dataclass
from pathlib import Path

import click

from texsynth.command.filming import Filming
from texsynth.command.shared import PATH, together

EVERY = 20
"""Steps between checkpoints by default."""

keeping_options = together(
    click.option(
        "--snapshots",
        metavar="N",
        type=click.IntRange(min=1),
        help="Also save the current image every N steps.",
    ),
    click.option(
        "--comparison/--no-comparison",
        default=True,
        show_default=True,
        help="Also write <name>_comparison.png, with the texture and IMAGE side by side.",
    ),
    click.option(
        "--overwrite",
        "overwrites",
        is_flag=True,
        help="Replace textures and other files that are there already; without it only those of the"
        " same texture are replaced.",
    ),
    click.option(
        "--checkpoint",
        "checkpoint_path",
        metavar="FILE",
        type=PATH,
        help="Save the state to FILE at regular steps (see --every), on Ctrl-C and at the end; the"
        " previous checkpoint is kept beside it.",
    ),
    click.option(
        "--every",
        metavar="N",
        type=click.IntRange(min=1),
        help=f"Steps between checkpoints.  [default: {EVERY}]",
    ),
    click.option(
        "-r",
        "--resume",
        "resume_path",
        metavar="FILE",
        type=PATH,
        help="Continue from a checkpoint, with its IMAGE and options; a larger -n runs further.",
    ),
    click.option(
        "--record",
        "keeps_record",
        is_flag=True,
        help="Also write <name>_record.json, with everything that determined the texture.",
    ),
    click.option(
        "--replay",
        "replay_path",
        metavar="FILE",
        type=PATH,
        help="Make a texture again and compare: that of a record, or of a picture that texsynth"
        " wrote, with IMAGE beside it or in the current folder.",
    ),
)
"""A decorator that gives a command what is kept of a long run, and gone on from, or made again."""


@dataclass(frozen=True)
class Keeping:
    """A comparison, snapshots, a record and checkpoints: which of them, how often, how deep.

    Attributes:
        comparison (bool): Whether texture and exemplar are also shown side by side.
        overwrites (bool): Whether what is there already may be another texture, and is replaced.
        snapshots (int): Steps between snapshots, or ``None``.
        record (bool): Whether a record is written.
        checkpoint (pathlib.Path): Where checkpoints are saved, or ``None``.
        every (int): Steps between them.
        resumed (texsynth.Checkpoints): What is gone on from, or ``None``.
        depth (str): Bits of a channel of the texture, see :func:`texsynth.images.save`; ``None``
            takes those of what it is made from, as far as its format has them.
        quality (int): Of a JPEG, or ``None`` for the usual one.
        film (texsynth.command.filming.Filming): The film that is made, or ``None``.
        written (texsynth.command.stack_outputs.Written): How maps of a material are written;
            ``None`` if it is none.
    """

    comparison: bool = True
    overwrites: bool = False
    snapshots: int | None = None
    record: bool = False
    checkpoint: Path | None = None
    every: int = EVERY
    resumed: object = None
    depth: str | None = None
    quality: int | None = None
    film: Filming | None = None
    written: object = None

    @property
    def saved(self):
        """Paths of the checkpoint and of the last but one; none if none are wanted."""
        if self.checkpoint is None:
            return []
        from texsynth.files.checkpoint import previous_of  # imports NumPy, which takes a moment

        return [self.checkpoint, previous_of(self.checkpoint)]

    def checkpoints(self, notes):
        """Returns the :class:`texsynth.Checkpoints`, or ``None`` if none are wanted.

        Args:
            notes (dict): Plain values to keep with each.
        """
        if self.checkpoint is None:
            return None
        if self.resumed is not None:
            self.resumed.keep(notes)
            return self.resumed
        from texsynth.synthesis.resuming import Checkpoints  # imports Chainer, which takes a second

        return Checkpoints(self.checkpoint, self.every, notes=notes)


def keeping_of(options):
    """Returns what is kept of a texture that no checkpoint is saved of.

    Args:
        options (dict): The options of the command by name.
    """
    kept = options["comparison"], options["overwrites"]
    return Keeping(*kept, depth=options["depth"], quality=options["quality"])
