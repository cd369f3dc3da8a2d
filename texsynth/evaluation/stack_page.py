"""A stack of maps on the page: its maps and the exemplar's side by side, and how they fit."""

from html import escape
from string import Template

from texsynth.evaluation import pieces, stack_table
from texsynth.materials.kinds import KINDS

_COLUMN = 180  # pixels that the wider picture of two may take


def section(stack, articles):
    """Returns a stack's section as HTML.

    Args:
        stack (texsynth.evaluation.stacks.Stack): The stack.
        articles (str): HTML about each of its maps.
    """
    exemplars, own = zip(*stack.pictures.values(), strict=True)
    size, exemplar_size = (
        "{1} by {0}".format(*next(each for each in those if each is not None).shape)
        for those in (own, exemplars)
    )
    without = "" if stack.without is None else f"Alignment was not measured: {stack.without}."
    return Template(pieces.text_of("stack.html")).substitute(
        name=escape(stack.name),
        size=size,
        exemplar_size=exemplar_size,
        maps="\n".join(_map(kind, stack) for kind in stack.pictures),
        without=without and f'<p class="absent">{escape(without)}</p>',
        table=_table(stack),
        articles=articles,
    )


def seen(of_stack):
    """Says what of a map is shown in its article.

    Args:
        of_stack (texsynth.evaluation.stacks.OfStack): The map.
    """
    kind = KINDS[of_stack.kind]
    if kind.is_colour:
        told = "as it is in its file"
    elif kind.is_vector:
        told = (
            "with x and y of the normals as red and green, stretched to the exemplar's range, and"
            " no blue"
        )
    else:
        told = "stretched to the exemplar's range"
    return f'<p class="made">{escape(of_stack.file)}, {told}: so the network sees it.</p>'


def _map(kind, stack):
    pictures = [each for each in stack.pictures[kind] if each is not None]
    widest = max(each.shape[1] for each in pictures)
    scale = _COLUMN // widest if widest <= _COLUMN else _COLUMN / widest
    shown = "".join(
        _picture(f"{kind} of {whose}", each, scale)
        for whose, each in zip(("the exemplar", stack.name), pictures, strict=False)
    )
    lacks = "" if kind in stack.files else "<p>There is no such map.</p>"
    return f"<figure>{shown}{lacks}<figcaption><b>{escape(kind)}</b></figcaption></figure>"


def _picture(told, pixels, scale):
    height, width = pixels.shape[:2]
    return (
        f'<img class="map-shown{" enlarged" if scale > 1 else ""}" src="{pieces.data_url(pixels)}"'
        f' width="{max(1, round(scale * width))}" height="{max(1, round(scale * height))}"'
        f' alt="{escape(told)}, {width} by {height} pixels">'
    )


def _table(stack):
    parts = stack_table.sections(stack)
    if not parts:
        return ""
    names = "".join(f'<th scope="col">{name}</th>' for name in stack_table.HEAD)
    found = [f"<table><thead><tr><td></td>{names}</tr></thead>"]
    for title, rows in parts:
        found.append(f'<tbody><tr><th scope="rowgroup" colspan="4">{escape(title)}</th></tr>')
        for label, cells in rows:
            tds = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            found.append(f'<tr><th scope="row">{escape(label)}</th>{tds}</tr>')
        found.append("</tbody>")
    told = "".join([*found, "</table>"])
    return (
        f'<div class="scroll" role="region" aria-label="How the maps fit" tabindex="0">{told}</div>'
    )
