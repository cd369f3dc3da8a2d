"""A report as one HTML page that needs nothing but itself.

Its security policy lets it load nothing, and run only the one script and style sheet that are in
it: whatever text an image file carried cannot become part of it.
"""

import base64
import hashlib
from html import escape
from string import Template

import numpy as np

from texsynth.evaluation import pieces, plots, stack_page, table, verdict
from texsynth.live import assets
from texsynth.materials.kinds import KINDS
from texsynth.metrics.luminance import luminance
from texsynth.version import __version__

_COLUMN = 320  # pixels that the wider picture of a pair may take


def render(report):
    """Returns the page as text.

    Args:
        report (texsynth.evaluation.evaluated.Report): The report.
    """
    script = assets.text_of("game.js")
    style = assets.text_of("base.css") + assets.text_of("game.css") + pieces.text_of("page.css")
    notes = "".join(f'<p class="notes">{escape(note)}</p>' for note in table.notes(report))
    return Template(pieces.text_of("page.html")).substitute(
        source=escape(report.source),
        game=assets.game(_exemplars(report)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        outputs=_outputs(report),
        table=_table(report),
        notes=notes,
        verdicts=_verdicts(report),
        version=__version__,
    )


def _verdicts(report):
    """A sentence about each output, and a line about each that could not be measured."""
    all_told = [(stack.name, verdict.of_stack(stack)) for stack in report.stacks]
    all_told += [(output.name, _verdict(output)) for output in report.outputs]
    told = [f"<li><b>{escape(name)}</b>: {escape(words)}</li>" for name, words in all_told]
    told += [
        f'<li class="failed"><b>{escape(name)}</b> could not be measured: {escape(why)}</li>'
        for name, why in report.failed
    ]
    return f'<ul class="verdicts">{"".join(told)}</ul>'


def _exemplars(report):
    """What the game calls the exemplar: that of any region, of what was painted by a map."""
    regions = [output.region for output in report.outputs if output.region is not None]
    return " or ".join(dict.fromkeys(region.source for region in regions)) or report.source


def _verdict(output):
    if output.repair is not None:
        return verdict.of_repair(output.repair)
    is_linear = output.of_stack is not None and not KINDS[output.of_stack.kind].is_colour
    return verdict.sentence(output.measures, "values" if is_linear else "colours")


def _outputs(report):
    """An article about each output, those of a stack in a section of it."""
    if not report.stacks:
        return "\n".join(map(_output, report.outputs))
    return "\n".join(
        stack_page.section(stack, "\n".join(map(_output, stack.outputs))) for stack in report.stacks
    )


def _output(output):
    measures = output.measures
    (height, width), (exemplar_height, exemplar_width) = (
        each.shape[:2] for each in (output.pixels, output.exemplar)
    )
    # Both at one scale; small ones are enlarged by a whole number, for each pixel to be seen.
    widest = max(width, exemplar_width)
    scale = _COLUMN // widest if widest <= _COLUMN else _COLUMN / widest
    return Template(pieces.text_of("output.html")).substitute(
        enlarged=" enlarged" if scale > 1 else "",
        shown=max(1, round(scale * width)),
        shown_height=max(1, round(scale * height)),
        exemplar_shown=max(1, round(scale * exemplar_width)),
        exemplar_shown_height=max(1, round(scale * exemplar_height)),
        name=escape(output.name),
        made=_made(output.record) + _where(output),
        exemplar=pieces.data_url(output.exemplar, "PNG"),
        exemplar_width=exemplar_width,
        exemplar_height=exemplar_height,
        texture=pieces.data_url(output.pixels, "PNG"),
        width=width,
        height=height,
        loss=_loss(output.record.history),
        spectra=plots.spectra(*measures.spectra) or _absent("There is nothing to draw."),
        spectrum_distance=f"{measures.spectrum_distance:.3f}",
        grey=pieces.data_url(np.rint(luminance(output.pixels)).astype(np.uint8), "JPEG"),
        copies=_copies_path(measures.copies),
        copied=table.percent(measures.copied_share),
        repetition=table.percent(measures.repetition_share),
        patch=measures.copies.patch,
        judgement=_judgement(measures),
    )


def _made(record):
    told = []
    if record.losses:
        told.append(f"loss {', '.join(record.losses)}")
    if record.layers:
        told.append(f"optimised at {', '.join(record.layers)}")
    if record.pooling:
        told.append(f"{record.pooling} pooling")
    if record.engine:
        precision = f" in {escape(record.precision)}" if record.precision else ""
        told.append(f"engine {escape(record.engine)}{precision}")
    if not told:
        return '<p class="made">The file does not say how it was made.</p>'
    return f'<p class="made">According to the file: {"; ".join(told)}.</p>'


def _where(output):
    """Says what of a painted output or a map is shown; nothing of other outputs."""
    if output.of_stack is not None:
        return stack_page.seen(output.of_stack)
    if output.region is None:
        return ""
    own, its = output.rectangles
    told = (
        f"Shown are the largest rectangles within the region {escape(output.region.colour)}, "
        f"{own.width} by {own.height} pixels at {own.left}, {own.top}, and within its part of "
        f"{escape(output.region.source)}, at {its.left}, {its.top}. Gram errors, distances of "
        "activations and colours are of all of the region, the other measures of the rectangles."
    )
    return f'<p class="made">{told}</p>'


def _loss(history):
    if history is None:
        return _absent("The file contains no loss history.")
    return plots.loss_curves(history) or _absent("The loss was 0 from the start.")


def _absent(why):
    return f'<p class="absent">{why}</p>'


def _judgement(measures):
    excess = verdict.copied_beyond_repetition(measures)
    if excess is None:
        return "There is too little contrast to tell."
    if measures.copied_share == 0:
        return "Nothing was copied."
    if excess > verdict.BEYOND_REPETITION:
        return "That is more than the exemplar repeats itself: parts were copied."
    return "The exemplar's own repetition explains this: nothing points to copying."


def _copies_path(copies):
    side = copies.patch
    return "".join(
        f"M{copies.columns[column]} {copies.rows[row]}h{side}v{side}h-{side}z"
        for row, column in np.argwhere(copies.copied)
    )


def _table(report):
    names = "".join(f'<th scope="col">{escape(output.name)}</th>' for output in report.outputs)
    span = 2 + len(report.outputs)
    ideal = '<th scope="col" class="ideal">at best</th>'
    parts = [f"<table><thead><tr><td></td>{names}{ideal}</tr></thead>"]
    for title, rows in table.sections(report):
        parts.append(f'<tbody><tr><th scope="rowgroup" colspan="{span}">{escape(title)}</th></tr>')
        for label, cells, best in rows:
            tds = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            tds += f'<td class="ideal">{escape(best)}</td>'
            parts.append(f'<tr><th scope="row">{escape(label)}</th>{tds}</tr>')
        parts.append("</tbody>")
    return "".join([*parts, "</table>"])


def _hash(text):
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
