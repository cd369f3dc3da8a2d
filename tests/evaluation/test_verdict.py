"""The sentence for a layman, by the rules of docs/metrics.md."""

from types import SimpleNamespace

import pytest

from texsynth.evaluation import verdict

GOOD = {
    "tell_apart": 0.5,
    "copied_share": 0.0,
    "repetition_share": 0.0,
    "detail": 1.0,
    "grid": 1.0,
    "colour_distance": 1.0,
}


def sentence(**changes):
    return verdict.sentence(SimpleNamespace(**(GOOD | changes)))


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.2, "Looks like the exemplar: a classifier is right about 20 % of"),
        (0.6, "Looks like the exemplar: "),
        (0.601, "Looks much like the exemplar: "),
        (0.75, "Looks much like the exemplar: "),
        (0.751, "Resembles the exemplar: "),
        (0.9, "Resembles the exemplar: "),
        (0.901, "Differs visibly from the exemplar: "),
        (1.0, "Differs visibly from the exemplar: a classifier is right about 100 % of"),
        (None, "Too small for a verdict on its looks (a classifier needs 128 pixels)."),
    ],
)
def test_looks_are_by_how_well_it_is_told_apart(share, words):
    told = sentence(tell_apart=share)
    assert told.startswith(words) and told.endswith(".") and told.count("\n") == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detail": 0.74}, "; it is softer."),
        ({"detail": 1.36}, "; it is sharper or noisier."),
        ({"grid": 1.51}, "; a fine grid shows."),
        ({"colour_distance": 8.1}, "; its colours are others."),
        ({"copied_share": 0.2, "repetition_share": 0.17}, "; 20 % of its patches are copied."),
        ({"detail": 0.5, "grid": 2.0}, "; it is softer; a fine grid shows."),
    ],
)
def test_what_differs_is_said(changes, words):
    assert sentence(**changes).endswith(f"and 50 % is chance{words}")


@pytest.mark.parametrize(
    "changes",
    [
        {"detail": 0.75, "grid": 1.5, "colour_distance": 8.0},
        {"detail": 1.35},
        {"copied_share": 0.9, "repetition_share": 0.9},
        {"copied_share": None, "repetition_share": 0.0},
        {"copied_share": 0.5, "repetition_share": None},
    ],
)
def test_what_does_not_is_not(changes):
    assert sentence(**changes) == sentence()


def test_a_copy_is_said_to_be_one():
    assert sentence(copied_share=0.75, repetition_share=0.2) == (
        "Mostly a copy of the exemplar: 75 % of its patches appear there almost verbatim."
    )
