"""What a report comes to, in one sentence for a layman; docs/metrics.md states the rules."""

BEYOND_REPETITION = 0.02
"""Share of patches that must be copied, beyond what the exemplar repeats itself, to be told."""

_MOSTLY_COPIED = 0.5
_LOOKS = (
    (0.6, "Looks like the exemplar"),
    (0.75, "Looks much like the exemplar"),
    (0.9, "Resembles the exemplar"),
    (float("inf"), "Differs visibly from the exemplar"),
)  # by the share of patches that a classifier is right of
_SOFT, _SHARP = 0.75, 1.35
_GRID = 1.5
_COLOURS = 8  # grey levels
_ORDINARY = 2  # standard deviations
_LIE = (
    (0.9, "Its maps lie on one another as the exemplar's do"),
    (0.6, "Its maps lie on one another for the most part"),
    (0.2, "Its maps have little to do with one another"),
    (-float("inf"), "Its maps have nothing to do with one another"),
)  # by the share of the exemplar's alignment that was kept
_OFF_UNIT = 0.02  # of the length of a normal


def of_repair(repair):
    """Returns the verdict on a repair.

    Args:
        repair (texsynth.evaluation.repairs.Repair): What was measured of it.

    Returns:
        str: One sentence of plain text.
    """
    if repair.changed:
        kept = f"A repair of which {repair.changed} pixels changed that were to be kept"
    else:
        kept = "A repair: what was kept has its bytes"
    if repair.edge is None:
        return f"{kept}; no step across the edge of what was made anew could be compared."
    kind = "is an ordinary one" if abs(repair.edge) <= _ORDINARY else "stands out"
    told = f"{repair.edge:+.1f} standard deviations"
    return f"{kept}; the step across the edge of what was made anew {kind} ({told})."


def of_stack(stack):
    """Returns the verdict on a stack of maps as a whole.

    Args:
        stack (texsynth.evaluation.stacks.Stack): What was measured of it.

    Returns:
        str: One sentence of plain text.
    """
    if stack.kept is None:
        told = f"Whether its maps lie on one another could not be measured: {stack.without}"
    else:
        words = next(words for limit, words in _LIE if stack.kept >= limit)
        told = f"{words}: {stack.kept:.2f} of the exemplar's alignment was kept"
    own = stack.lengths and stack.lengths[1]
    if own and own.largest > _OFF_UNIT:
        told += f"; some normals are {100 * own.largest:.0f} % from unit length"
    return f"{told}."


def sentence(measures, values="colours"):
    """Returns the verdict on a texture.

    Args:
        measures (texsynth.metrics.Measures): Its measures.
        values (str): What its numbers are called.

    Returns:
        str: One sentence of plain text.
    """
    excess = copied_beyond_repetition(measures)
    if excess is not None and excess > _MOSTLY_COPIED:
        share = round(100 * measures.copied_share)
        return (
            f"Mostly a copy of the exemplar: {share} % of its patches appear there almost verbatim."
        )
    if measures.tell_apart is None:
        looks = "Too small for a verdict on its looks (a classifier needs 128 pixels)"
    else:
        looks = next(words for limit, words in _LOOKS if measures.tell_apart <= limit)
        share = round(100 * measures.tell_apart)
        looks += f": a classifier is right about {share} % of their patches, and 50 % is chance"
    told = [looks, *_differences(measures, values)]
    if excess is not None and excess > BEYOND_REPETITION:
        told.append(f"{round(100 * measures.copied_share)} % of its patches are copied")
    return f"{'; '.join(told)}."


def copied_beyond_repetition(measures):
    """Returns the share of patches that were copied, less the exemplar's own repetition.

    Args:
        measures (texsynth.metrics.Measures): The measures.

    Returns:
        float: ``None`` where there is too little contrast to tell.
    """
    if measures.copied_share is None or measures.repetition_share is None:
        return None
    return measures.copied_share - measures.repetition_share


def _differences(measures, values):
    """What a person would notice first."""
    if measures.detail < _SOFT:
        yield "it is softer"
    elif measures.detail > _SHARP:
        yield "it is sharper or noisier"
    if measures.grid > _GRID:
        yield "a fine grid shows"
    if measures.colour_distance > _COLOURS:
        yield f"its {values} are others"
