"""All measures of a report as a table: measures down, outputs across."""

from texsynth.config import DEFAULT_LAYERS
from texsynth.network import architecture

MISSING = "-"


def sections(report):
    """Returns the table's sections.

    Layers that were optimised and those held out stand apart; where the outputs' files do not say
    which were, the layers that are optimised by default are taken.

    Args:
        report (texsynth.evaluation.report.Report): The report.

    Returns:
        list: ``(title, rows)``, a row being ``(label, cells)``, one cell a str for each output.
    """
    optimised = _optimised(report)
    known = all(output.record.layers for output in report.outputs)
    in_loss = "optimised" if known else "optimised by default"
    found = []
    for title, attribute in (
        ("relative Gram error", "gram_errors"),
        ("sliced Wasserstein distance / std", "sliced_wasserstein"),
    ):
        rows = _layer_rows(report, attribute)
        for kind, wanted in ((in_loss, True), ("held out", False)):
            chosen = [row for row in rows if (row[0] in optimised) is wanted]
            if chosen:
                found.append((f"{title}, {kind}", chosen))
    return [*found, ("image statistics", _image_rows(report)), ("compared at", _size_rows(report))]


def has_marks(report):
    """Whether a cell is marked by ``*``: this output did not optimise a layer that others did.

    Args:
        report (texsynth.evaluation.report.Report): The report.
    """
    return any("*" in cell for _, rows in sections(report) for _, cells in rows for cell in cells)


def as_text(report):
    """Returns the table as aligned plain text.

    Args:
        report (texsynth.evaluation.report.Report): The report.
    """
    parts = sections(report)
    names = [output.name for output in report.outputs]
    labels = [f"  {label}" for _, rows in parts for label, _ in rows]
    first = max(map(len, [report.source, *labels]))
    columns = zip(*[cells for _, rows in parts for _, cells in rows], strict=True)
    widths = [max(map(len, [name, *cells])) for name, cells in zip(names, columns, strict=True)]
    lines = [_line(report.source, names, first, widths)]
    for title, rows in parts:
        lines += ["", title]
        lines += [_line(f"  {label}", cells, first, widths) for label, cells in rows]
    if has_marks(report):
        lines += ["", "* not optimised in this output"]
    return "\n".join(lines)


def _line(label, cells, first, widths):
    aligned = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{label.ljust(first)}  {aligned}"


def _optimised(report):
    layers = set()
    for output in report.outputs:
        layers |= set(output.record.layers or DEFAULT_LAYERS)
    return layers


def _layer_rows(report, attribute):
    values = [getattr(output.measures, attribute) for output in report.outputs]
    optimised = _optimised(report)
    rows = []
    for name in architecture.VGG19:
        if not any(name in found for found in values):
            continue
        cells = []
        for output, found in zip(report.outputs, values, strict=True):
            here = set(output.record.layers or DEFAULT_LAYERS)
            mark = "*" if name in optimised - here and name in found else ""
            cells.append(_number(found.get(name)) + mark)
        rows.append((name, cells))
    return rows


def _image_rows(report):
    measures = [output.measures for output in report.outputs]
    return [
        ("spectrum distance, log10", [_number(m.spectrum_distance) for m in measures]),
        ("Portilla-Simoncelli, spreads", [_number(m.portilla_simoncelli) for m in measures]),
        ("colour distance, grey levels", [f"{m.colour_distance:.2f}" for m in measures]),
        ("detail, 1 = as sharp", [f"{m.detail:.2f}" for m in measures]),
        ("grid, 1 = as the exemplar", [f"{m.grid:.2f}" for m in measures]),
        ("told apart, 0.5 = by chance", [_number(m.tell_apart) for m in measures]),
        ("copied patches", [percent(m.copied_share) for m in measures]),
        ("  exemplar's own repetition", [percent(m.repetition_share) for m in measures]),
        ("seam in x, z-score", [f"{m.seam['x']:+.1f}" for m in measures]),
        ("seam in y, z-score", [f"{m.seam['y']:+.1f}" for m in measures]),
    ]


def _size_rows(report):
    outputs = report.outputs
    return [
        ("output, pixels", ["{1}x{0}".format(*output.pixels.shape) for output in outputs]),
        ("exemplar, pixels", ["{1}x{0}".format(*output.exemplar.shape) for output in outputs]),
        ("network", [report.network] * len(outputs)),
        ("pooling", [output.pooling for output in outputs]),
    ]


def _number(value):
    return MISSING if value is None else f"{value:.3f}"


def percent(share):
    """Returns a share, 0..1 or ``None``, as a percentage for a person.

    Args:
        share: A float, or ``None``.
    """
    return MISSING if share is None else f"{100 * share:.1f} %"
