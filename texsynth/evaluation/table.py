"""All measures of a report as a table: measures down, outputs across."""

from texsynth.config import DEFAULT_LAYERS
from texsynth.network import architecture

MISSING = "-"


def sections(report):
    """Returns the table's sections.

    Layers that were optimised and those held out stand apart; where the outputs' files do not say
    which were, the layers that are optimised by default are taken.

    Args:
        report (texsynth.evaluation.evaluated.Report): The report.

    Returns:
        list: ``(title, rows)``, a row being ``(label, cells, ideal)``: one cell a str for each
        output, and what it is at best.
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
    return [
        *_repair_sections(report),
        *found,
        ("image statistics", _image_rows(report)),
        ("compared at", _size_rows(report)),
    ]


def has_marks(report):
    """Whether a cell is marked by ``*``: this output did not optimise a layer that others did.

    Args:
        report (texsynth.evaluation.evaluated.Report): The report.
    """
    return any(
        "*" in cell for _, rows in sections(report) for _, cells, _ in rows for cell in cells
    )


def notes(report):
    """Returns lines that explain what some cells have, a list of str.

    Args:
        report (texsynth.evaluation.evaluated.Report): The report.
    """
    is_untiled = any(output.record.tile not in (None, "xy") for output in report.outputs)
    found = ["* not optimised in this output"] if has_marks(report) else []
    return found + (["- at a seam: not made to tile along that axis"] if is_untiled else [])


def as_text(report):
    """Returns the table as aligned plain text.

    Args:
        report (texsynth.evaluation.evaluated.Report): The report.
    """
    parts = sections(report)
    names = [output.name for output in report.outputs]
    labels = [f"  {label}" for _, rows in parts for label, *_ in rows]
    first = max(map(len, [report.source, *labels]))
    columns = zip(*[cells for _, rows in parts for _, cells, _ in rows], strict=True)
    widths = [max(map(len, [name, *cells])) for name, cells in zip(names, columns, strict=True)]
    lines = [aligned(report.source, names, first, widths)]
    for title, rows in parts:
        lines += ["", title]
        lines += [aligned(f"  {label}", cells, first, widths) for label, cells, _ in rows]
    if remarks := notes(report):
        lines += ["", *remarks]
    return "\n".join(lines)


def aligned(label, cells, first, widths):
    """Returns a line of a table of plain text.

    Args:
        label (str): What stands first, to the left.
        cells: A str for each column, to the right.
        first (int): Characters of the first column.
        widths: Characters of each other column.
    """
    right = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    return f"{label.ljust(first)}  {right}"


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
        rows.append((name, cells, "0"))
    return rows


def _repair_sections(report):
    """What was measured of repairs, if any are among the outputs."""
    repairs = [output.repair for output in report.outputs]
    if not any(repairs):
        return []
    rows = [
        ("kept pixels that changed", [_cell(r and str(r.changed)) for r in repairs], "0"),
        ("step across its edge, z-score", [_cell(r and _score(r.edge)) for r in repairs], "±2"),
    ]
    layers = [
        (name, [_number(r.gram_errors.get(name) if r else None) for r in repairs], "0")
        for name in architecture.VGG19
        if any(r and name in r.gram_errors for r in repairs)
    ]
    return [("repair", rows), ("relative Gram error of what was made anew", layers)]


def _cell(text):
    return MISSING if text is None else text


def _score(value):
    return None if value is None else f"{value:+.1f}"


def _image_rows(report):
    measures = [output.measures for output in report.outputs]
    return [
        ("spectrum distance, log10", [_number(m.spectrum_distance) for m in measures], "0"),
        ("Portilla-Simoncelli, spreads", [_number(m.portilla_simoncelli) for m in measures], "0"),
        ("colour distance, grey levels", [f"{m.colour_distance:.2f}" for m in measures], "0"),
        ("detail, 1 = as sharp", [f"{m.detail:.2f}" for m in measures], "1"),
        ("grid, 1 = as the exemplar", [f"{m.grid:.2f}" for m in measures], "1"),
        ("told apart, 0.5 = by chance", [_number(m.tell_apart) for m in measures], "0.5"),
        ("copied patches", [percent(m.copied_share) for m in measures], "≤ next row"),
        ("  exemplar's own repetition", [percent(m.repetition_share) for m in measures], ""),
        ("seam in x, z-score", [_seam(output, "x") for output in report.outputs], "±2"),
        ("seam in y, z-score", [_seam(output, "y") for output in report.outputs], "±2"),
    ]


def _seam(output, axis):
    """The score; none where the file says that it was not made to tile."""
    if output.record.tile is not None and axis not in output.record.tile:
        return MISSING
    return f"{output.measures.seam[axis]:+.1f}"


def _size_rows(report):
    outputs = report.outputs
    exemplars = [output.region.source for output in outputs if output.region is not None]
    named = [("exemplar", exemplars, "")] if len(exemplars) == len(outputs) else []
    return [
        *named,
        ("output, pixels", ["{1}x{0}".format(*output.pixels.shape) for output in outputs], ""),
        ("exemplar, pixels", ["{1}x{0}".format(*output.exemplar.shape) for output in outputs], ""),
        ("network", [report.network] * len(outputs), ""),
        ("pooling", [output.pooling for output in outputs], ""),
    ]


def _number(value):
    return MISSING if value is None else f"{value:.3f}"


def percent(share):
    """Returns a share, 0..1 or ``None``, as a percentage for a person.

    Args:
        share: A float, or ``None``.
    """
    return MISSING if share is None else f"{100 * share:.1f} %"
