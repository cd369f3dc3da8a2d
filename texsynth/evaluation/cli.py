"""The command ``python -m texsynth.evaluate``: tells how good synthesised textures are."""

import json
from pathlib import Path

import click

from texsynth import config as settings
from texsynth import files, values
from texsynth.command import (
    HELP_OPTIONS,
    PATH,
    by_environment,
    device_options,
    downloads_forbidden,
    failure,
    from_text,
    repair_cli,
    set_up_logging,
)
from texsynth.command.cli import taken_over
from texsynth.command.environment import given_names
from texsynth.command.tiling import TileAlone
from texsynth.errors import ConfigError, TexsynthError
from texsynth.evaluation import stack_files
from texsynth.materials import finding
from texsynth.materials.kinds import CONVENTIONS
from texsynth.version import __version__

_STANDARD_OUTPUT = Path("-")
_MAPS = ("guide_path", "target_guide_path", "regions")
_MENDING = ("mask", "source", "tile", "band", "grow")
_FOR_PICTURES = (*_MAPS, *_MENDING, "input_range", "record_path")


@click.command("texsynth.evaluate", cls=TileAlone, context_settings=HELP_OPTIONS)
@click.argument("paths", metavar="EXEMPLAR OUTPUT...", type=PATH, nargs=-1)
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    type=PATH,
    help="Also write the measures as JSON; - prints them instead of the table.",
)
@click.option(
    "--html",
    "html_path",
    metavar="FILE",
    type=PATH,
    help="Also write an HTML page with the pair, plots, a map of copied patches, and a game.",
)
@click.option(
    "--size",
    type=click.IntRange(0, settings.LARGEST_SIDE),
    help="Resize EXEMPLAR so that its longer side has this many pixels; 0 keeps its size."
    "  [default: the size recorded in OUTPUT, or 0]",
)
@click.option(
    "--input-range",
    metavar="LOW,HIGH",
    callback=from_text(values.parse_range),
    help="Which values are black and white in an EXEMPLAR whose type does not say so."
    "  [default: the range recorded in OUTPUT]",
)
@click.option(
    "--pooling",
    type=click.Choice(settings.POOLINGS),
    help="Pooling of the network.  [default: the pooling recorded in OUTPUT, or average]",
)
@click.option(
    "--record",
    "record_path",
    metavar="FILE",
    type=PATH,
    help="Take EXEMPLAR, and maps or mask, from the record of the outputs, which come alone then.",
)
@click.option(
    "--normal",
    "convention",
    type=click.Choice(CONVENTIONS),
    help="Of folders of maps: which way the green of normal maps points where the file's name does"
    " not say it, gl (OpenGL) up, dx (DirectX) down.  [default: for EXEMPLAR as OUTPUT's name says,"
    " or gl]",
)
@device_options
@click.option(
    "--weights",
    "weights_path",
    type=PATH,
    envvar="TEXSYNTH_WEIGHTS",
    help="Weights of the network: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found or"
    " downloaded]",
)
@click.option(
    "--network",
    default="vgg16",
    show_default=True,
    type=click.Choice(settings.NETWORKS),
    help="Network that measures, whichever made OUTPUT.",
)
@click.option("--offline", is_flag=True, envvar="TEXSYNTH_OFFLINE", help="Download no weights.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors, and no table.")
@click.option("-v", "--verbose", is_flag=True, help="Print more.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context, paths, json_path, html_path, offline, quiet, verbose, **options):
    """Measure how good textures (OUTPUT) synthesised from EXEMPLAR are.

    What was painted by a map is measured region by region (--target-guide; without --guide and
    a map beside EXEMPLAR there is none, and --region names the images), a repair of EXEMPLAR by its
    edge, too, and by what was to be kept (--mask). A record beside OUTPUT says these, or --record.

    A folder of maps, or a pattern of files such as "maps/wall_*", is compared with such folders:
    each map as a picture, and how the maps lie on one another (see texsynth material).

    An OUTPUT that cannot be measured is named at the end; the others are measured all the same.

    Prints a table of measures, which are defined in docs/metrics.md.
    """
    set_up_logging(quiet, verbose)
    written = []
    try:
        maps = {name: options.pop(name) for name in _MAPS}
        mending = {name: options.pop(name) for name in _MENDING}
        mending = {name: value for name, value in mending.items() if name in given_names(context)}
        record_path, weights = options.pop("record_path"), options["weights_path"]
        _check_outputs(paths, record_path, maps)
        are_stacks = _are_stacks(context, paths)
        read = stack_files.all_of(paths) if are_stacks else [*paths]
        read += [path for path in (weights, record_path) if path is not None]
        targets = _checked_targets(read, json_path, html_path)
        with downloads_forbidden(offline):
            if are_stacks:
                found = _of_stacks(paths, options)
            else:
                found = _of_pictures(paths, record_path, mending, maps, options)
        as_json = json.dumps(found.as_dict(), indent=2, ensure_ascii=False)
        for path, kind in targets:
            files.write_text(path, f"{as_json}\n" if kind == "json" else _page(found))
            written.append(path)
        if json_path == _STANDARD_OUTPUT:
            _print(as_json)
        elif not quiet:
            _print(_table(found))
        if found.failed:
            raise failure(_told_of(found), None, written)
    except KeyboardInterrupt as error:
        raise failure("interrupted", error, written or ["nothing"]) from error
    except TexsynthError as error:
        raise failure(error, error, written) from error
    except MemoryError as error:
        raise failure("not enough memory for images of this size", error, written) from error


main.params += [
    *repair_cli.own(
        {
            "mask": "OUTPUT is a repair of EXEMPLAR, made anew where this image is white; or alpha,"
            " for where EXEMPLAR is transparent. For the five options here, what OUTPUT's file or"
            " record says is the default.",
            "source": "Image whose texture the repair took.",
            "band": "Pixels across the band that was made anew for it to tile.",
            "grow": "By how much the repair grew: N, or left=64,right=64.",
        }
    ),
    *taken_over("tile", told={"tile": "Axes along which the repair was to tile."}),
    *taken_over(
        *_MAPS,
        told={
            "guide_path": "Map of EXEMPLAR whose colours name its parts, of an OUTPUT that was"
            " painted by --target-guide.  [default: <name>_sem.png beside EXEMPLAR]",
            "target_guide_path": "Map by which OUTPUT was painted, which is measured by region.",
        },
    ),
]
by_environment(main, "evaluate")


def _are_stacks(context, paths):
    """Whether folders of maps are to be compared, once it is sure that all options go with it."""
    given = given_names(context)
    options = {each.name: each.opts[-1] for each in context.command.params}
    if not finding.is_of_maps(paths[0]):
        if "convention" in given:
            raise ConfigError(f"--normal is for folders of maps, and {paths[0]} is none")
        return False
    stack_files.check(paths, [options[name] for name in _FOR_PICTURES if name in given])
    return True


# Chainer takes a second to import: usage errors need not wait for it.


def _of_stacks(paths, options):
    from texsynth.evaluation import stack_report

    del options["input_range"]
    return stack_report.make(paths, **options)


def _of_pictures(paths, record_path, mending, maps, options):
    from texsynth.evaluation import making, report

    del options["convention"]
    return report.make(making.asked(paths, record_path, mending, maps), **options)


def _table(found):
    from texsynth.evaluation import stack_table, table

    stacks = [text for text in map(stack_table.as_text, found.stacks) if text]
    return "\n\n\n".join([*stacks, table.as_text(found)])


def _check_outputs(paths, record_path, maps):
    """Makes sure that there is something to measure, and to compare it with."""
    is_alone = record_path is not None or maps["target_guide_path"] is not None
    for number, name in enumerate(("EXEMPLAR", "OUTPUT...")):
        if len(paths) <= number and not (number and is_alone):
            raise click.UsageError(f"Missing argument '{name}'.")


def _checked_targets(read, json_path, html_path):
    """Returns ``(path, kind)`` of the files to write, once it is sure that they can be."""
    targets = []
    for option, path, kind in (("--json", json_path, "json"), ("--html", html_path, "html")):
        if path is None or (kind == "json" and path == _STANDARD_OUTPUT):
            continue
        files.check_target(option, path, read)
        if any(path.resolve() == other.resolve() for other, _ in targets):
            raise ConfigError(f"{option}: {path} is also the file for --json")
        targets.append((path, kind))
    return targets


def _told_of(found):
    """A line about the outputs that could not be measured."""
    count = f"{len(found.failed)} of {len(found.failed) + len(found.outputs)} outputs failed"
    return f"{count}: {'; '.join(_reason(name, why) for name, why in found.failed)}"


def _reason(name, why):
    return why if name in why else f"{name}: {why}"


def _page(found):
    from texsynth.evaluation import page

    return page.render(found)


def _print(text):
    try:
        click.echo(text)
    except OSError as error:
        raise TexsynthError(f"cannot write to standard output: {error.strerror}") from error


if __name__ == "__main__":
    main()
