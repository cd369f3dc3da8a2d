"""Tries all that needs a GPU, in stages, the most telling first; docs/gpu.md says how to read it.

Each stage is a process of its own with a limit of time, so that one that fails or hangs takes
nothing from the others. After each, what is known so far is written: ``gpu_check.json``, and
``gpu_check.md`` for people.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
from gpu.network import network_options
from gpu.scale import FULL, SMALL
from gpu.stages import ROOT, STAGES

NETWORKS = ("vgg16", "vgg19-normalised", "vgg19")  # as texsynth.config has them


@click.command()
@click.option("--out", default="gpu_check", help="Folder for results.", show_default=True)
@click.option("--weights", type=click.Path(exists=True), help="File of the network's weights.")
@click.option("--network", default="vgg16", show_default=True, type=click.Choice(NETWORKS))
@click.option("--without-timings", is_flag=True, help="Leave out what measures time.")
@click.option("--only", multiple=True, type=click.Choice(list(STAGES)), help="Only these stages.")
@click.option("--without", multiple=True, type=click.Choice(list(STAGES)), help="Not these stages.")
@click.option("--small", is_flag=True, help="Tiny images and few steps: whether all runs at all.")
@click.option("--stage", hidden=True, type=click.Choice(list(STAGES)))
def main(out, weights, network, without_timings, only, without, small, stage):
    """Try all that needs a GPU; writes gpu_check.json and gpu_check.md into a folder."""
    out = Path(out).resolve()
    options = {
        "out": str(out),
        "weights": weights and str(Path(weights).resolve()),
        "network": network,
        "scale": SMALL if small else FULL,
    }
    if stage:
        for name, told in STAGES[stage][0](options):
            print(json.dumps([name, told]), flush=True)
        return
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, (work, limit, is_timing) in STAGES.items():
        is_left_out = name in without or (without_timings and is_timing)
        if is_left_out or (only and name not in only):
            continue
        results[name] = {"what": work.__doc__.splitlines()[0], **_run(name, limit, options)}
        _write(out, results)
    failed = [name for name, result in results.items() if result["error"]]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _run(name, limit, options):
    """Runs a stage; returns what it told, however it ended."""
    is_small = options["scale"] is SMALL
    limit *= 5 if is_small else 1  # what is small is for what is slow
    more = [*network_options(options), *(["--small"] if is_small else [])]
    command = [sys.executable, __file__, "--stage", name, "--out", options["out"], *more]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    began, error = time.perf_counter(), ""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit,
            env={**os.environ, "PYTHONPATH": path},
        )
        lines, told = done.stdout, done.stderr.strip().splitlines()
        if done.returncode:
            error = told[-1] if told else f"exit code {done.returncode}"
    except subprocess.TimeoutExpired as expired:
        lines = (expired.stdout or b"").decode()
        error = f"stopped after {limit} s"
    # The last word on a thing counts: tables grow.
    told = dict(json.loads(line) for line in lines.splitlines() if line.startswith("["))
    seconds = round(time.perf_counter() - began, 1)
    print(f"{name}: {error or 'done'} in {seconds} s", *told.items(), sep="\n  ", flush=True)
    return {"told": told, "error": error, "seconds": seconds}


def _write(out, results):
    (out / "gpu_check.json").write_text(json.dumps(results, indent=1) + "\n")
    lines = ["# gpu_check", ""]
    for name, result in results.items():
        lines += [f"## {name}: {result['error'] or 'done'} ({result['seconds']} s)", ""]
        lines += [result["what"], "", "| | |", "|---|---|"]
        lines += [f"| {key} | {value} |" for key, value in result["told"].items()]
        lines.append("")
    (out / "gpu_check.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
