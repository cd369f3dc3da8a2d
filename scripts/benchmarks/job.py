"""The default job in two checkouts: seconds from the command to its end, and how good it is."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click


def compare(own, other, runs):
    """Prints seconds and measures of both checkouts' default job on samples/pebbles.png.

    Both take turns, by this interpreter, and are measured by this checkout's program.

    Args:
        own (pathlib.Path): This checkout.
        other (pathlib.Path): Another one, with weights in its models/ or in the usual folders.
        runs (int): Runs of each; one more of each comes first, which compiles.
    """
    exemplar = own / "samples" / "pebbles.png"
    with tempfile.TemporaryDirectory() as folder:
        outputs = {own: Path(folder, "here.png"), other: Path(folder, "there.png")}
        seconds = {checkout: [] for checkout in outputs}
        for run in range(-1, runs):
            for checkout, output in outputs.items():
                output.unlink(missing_ok=True)
                began = time.perf_counter()
                options = "--size", "256", "--seed", "0", "-q", "--no-comparison", "-o", output
                command = [sys.executable, "-m", "texsynth", exemplar, *options]
                subprocess.run(command, cwd=checkout, check=True)
                if run >= 0:
                    seconds[checkout].append(time.perf_counter() - began)
        for checkout, found in seconds.items():
            text = " ".join(f"{each:.1f}" for each in found)
            click.echo(f"{checkout}: {statistics.median(found):.1f} s ({text})")
        ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
        click.echo(f"ratio: {statistics.median(ratios):.2f}")
        measure = [sys.executable, "-m", "texsynth.evaluate", exemplar, *outputs.values()]
        subprocess.run(measure, cwd=own, check=True)
