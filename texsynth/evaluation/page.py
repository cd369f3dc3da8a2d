"""A report as one HTML page that needs nothing but itself.

Its security policy lets it load nothing, and run only the one script and style sheet that are in
it: whatever text an image file carried cannot become part of it.
"""

import base64
import hashlib
import io
from html import escape
from importlib import resources
from string import Template

import numpy as np
from PIL import Image

from texsynth.evaluation import plots, table
from texsynth.metrics.luminance import luminance
from texsynth.version import __version__

_BEYOND_REPETITION = 0.02


def render(report):
    """Returns the page as text.

    Args:
        report (texsynth.evaluation.report.Report): The report.
    """
    style, script = _file("page.css"), _file("page.js")
    marks = '<p class="notes">* not optimised in this output</p>' if table.has_marks(report) else ""
    return Template(_file("page.html")).substitute(
        source=escape(report.source),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        outputs="\n".join(map(_output, report.outputs)),
        table=_table(report),
        notes=marks,
        version=__version__,
    )


def _output(output):
    measures = output.measures
    (height, width), (exemplar_height, exemplar_width) = (
        each.shape[:2] for each in (output.pixels, output.exemplar)
    )
    return Template(_file("output.html")).substitute(
        name=escape(output.name),
        made=_made(output.record),
        exemplar=_data_url(output.exemplar, "PNG"),
        exemplar_width=exemplar_width,
        exemplar_height=exemplar_height,
        texture=_data_url(output.pixels, "PNG"),
        width=width,
        height=height,
        loss=_loss(output.record.history),
        spectra=plots.spectra(*measures.spectra),
        spectrum_distance=f"{measures.spectrum_distance:.3f}",
        grey=_data_url(np.rint(luminance(output.pixels)).astype(np.uint8), "JPEG"),
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
        told.append(f"engine {escape(record.engine)}")
    if not told:
        return '<p class="made">The file does not say how it was made.</p>'
    return f'<p class="made">According to the file: {"; ".join(told)}.</p>'


def _loss(history):
    if history is None:
        return '<p class="absent">The file contains no loss history.</p>'
    return plots.loss_curves(history) or '<p class="absent">The loss was 0 from the start.</p>'


def _judgement(measures):
    if measures.copied_share is None or measures.repetition_share is None:
        return "There is too little contrast to tell."
    if measures.copied_share == 0:
        return "Nothing was copied."
    excess = measures.copied_share - measures.repetition_share
    if excess > _BEYOND_REPETITION:
        return "That is more than the source repeats itself: parts were copied."
    return "The source's own repetition explains this: nothing points to copying."


def _copies_path(copies):
    side = copies.patch
    return "".join(
        f"M{copies.columns[column]} {copies.rows[row]}h{side}v{side}h-{side}z"
        for row, column in np.argwhere(copies.copied)
    )


def _table(report):
    names = "".join(f'<th scope="col">{escape(output.name)}</th>' for output in report.outputs)
    span = 1 + len(report.outputs)
    parts = [f"<table><thead><tr><td></td>{names}</tr></thead>"]
    for title, rows in table.sections(report):
        parts.append(f'<tbody><tr><th scope="rowgroup" colspan="{span}">{escape(title)}</th></tr>')
        for label, cells in rows:
            tds = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            parts.append(f'<tr><th scope="row">{escape(label)}</th>{tds}</tr>')
        parts.append("</tbody>")
    return "".join([*parts, "</table>"])


def _data_url(pixels, kind):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _hash(text):
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name):
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
