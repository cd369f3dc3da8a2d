"""What was measured of stacks of maps as a whole, as a table: exemplar, what was made, and kept."""

from texsynth.evaluation.table import MISSING, aligned

HEAD = ("exemplar", "made", "kept")


def sections(stack):
    """Returns the sections of a stack's table.

    Args:
        stack (texsynth.evaluation.stacks.Stack): The stack.

    Returns:
        list: ``(title, rows)``, a row being ``(label, cells)``: one cell a str for each of
        :data:`HEAD`.
    """
    found = []
    if stack.pairs:
        rows = [
            (", ".join(pair), [_number(x) for x in (each.exemplar, each.output, each.kept)])
            for pair, each in stack.pairs.items()
        ]
        rows.append(("all", ["", "", _number(stack.kept)]))
        found.append(("alignment of two maps, 1 = as in the exemplar", rows))
    if stack.lengths is not None:
        found.append(("normals, how far from unit length", _lengths(*stack.lengths)))
    return found


def as_text(stack):
    """Returns the table of a stack as aligned plain text; empty if there is nothing in it.

    Args:
        stack (texsynth.evaluation.stacks.Stack): The stack.
    """
    parts = sections(stack)
    if not parts:
        return ""
    rows = [row for _, those in parts for row in those]
    first = max(map(len, [stack.name, *(f"  {label}" for label, _ in rows)]))
    columns = zip(HEAD, *(cells for _, cells in rows), strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [aligned(stack.name, HEAD, first, widths)]
    for title, those in parts:
        lines += ["", title, *(aligned(f"  {label}", each, first, widths) for label, each in those)]
    return "\n".join(line.rstrip() for line in lines)


def _lengths(exemplar, own):
    rows = []
    for label, name in (("on the average", "mean"), ("at most", "largest")):
        cells = [
            MISSING if each is None else f"{getattr(each, name):.5f}" for each in (exemplar, own)
        ]
        rows.append((label, [*cells, ""]))
    return rows


def _number(value):
    return MISSING if value is None else f"{value:.2f}"
