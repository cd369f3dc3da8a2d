"""How large all is that the stages try."""

from typing import NamedTuple

LAYERS = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
PRECISIONS = ("fp32", "tf32")


class Scale(NamedTuple):
    """How large all is that the stages try.

    Attributes:
        sizes (tuple): Sides of images whose evaluations are timed, in pixels.
        runs (int): How often each is timed.
        pebbles (tuple): Options of the command.
        adam (tuple): ``(side, steps)`` of the job for Adam.
        canvases (tuple): ``(side, margin)`` of images whose memory is measured, in pixels.
        side (int): Of images whose gradients are compared.
    """

    sizes: tuple
    runs: int
    pebbles: tuple
    adam: tuple
    canvases: tuple
    side: int


FULL = Scale(
    sizes=(64, 128, 256, 512, 1024, 2048),
    runs=15,
    pebbles=("--size", "300"),
    adam=(256, 3000),
    canvases=((300, 16), (992, 16), (2016, 16)),
    side=96,
)
SMALL = Scale(  # for a GPU that is made of the host's processor
    sizes=(16,),
    runs=1,
    pebbles=("--size", "32", "--levels", "1", "--iterations", "2"),
    adam=(16, 3),
    canvases=((48, 0), (64, 16)),
    side=16,
)
