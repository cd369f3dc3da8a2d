"""Maps that were made from others are told from these by their texts, if they lie beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from texsynth import images
from texsynth.materials.listing import materials
from texsynth.materials.made import PACKING, PREVIEW, apart

STACK = {"texsynth:composition": json.dumps({"kind": "stack"})}
GIVEN = "wall_albedo.png", "wall_normal_dx.png", "wall_arm.png"
MADE = (
    *("albedo.png", "normal_gl.png", "ao.png", "seed3_roughness.png", "stopped2_albedo.png"),
    *("seed0_stopped_ao.png",),
)


def put(folder, names, **more):
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        images.save_png(path, np.zeros((2, 2, 3), np.uint8), more)
    return paths


def put_made(folder, names, text=STACK, software="texsynth 0.1"):
    return put(folder, names, Software=software, **text)


def test_what_was_made_is_left_out_beside_what_was_given(tmp_path):
    given = put(tmp_path, GIVEN)
    made = put_made(tmp_path, MADE)
    made += put_made(tmp_path, ["wall_orm.png"], {PACKING: "{}"})
    made += put_made(tmp_path, ["wall_plane.png"], {PREVIEW: "plane"})
    assert apart([*made, *given]) == (given, made)
    (found,) = materials([tmp_path])
    assert {each.path for each in found.found.maps.values()} == set(given)
    assert found.found.convention == "dx"
    assert set(found.found.made) == set(made)
    assert any("albedo.png; texsynth made it" in line for line in found.found.told())


@pytest.mark.parametrize(
    ("given", "made", "text", "software"),
    [
        ([], MADE[:3], STACK, "texsynth 0.1"),  # the start of others
        (["wall_albedo.png"], ["height.png", "ao.png"], STACK, "texsynth 0.1"),  # none is doubled
        (["a_albedo.png"], ["b_albedo.png"], STACK, "texsynth 0.1"),  # renamed: another surface's
        (["a_albedo.png"], ["albedo.png"], STACK, "another 0.1"),
        (["a_albedo.png"], ["albedo.png"], {}, "texsynth 0.1"),  # a texture
        (["a_albedo.png"], ["albedo.png"], {"texsynth:composition": "[" * 9000}, "texsynth 0.1"),
        (["a_albedo.png"], ["albedo.png"], {"texsynth:composition": "[1]"}, "texsynth 0.1"),
    ],
)
def test_all_else_is_given(tmp_path, given, made, text, software):
    paths = [*put(tmp_path, given), *put_made(tmp_path, made, text, software)]
    assert apart(paths) == (paths, [])


def test_files_that_are_named_are_given_whatever_they_are(tmp_path):
    given, made = put(tmp_path, GIVEN[:1]), put_made(tmp_path, MADE[:1])
    (found,) = materials(made)
    assert [each.path for each in found.found.maps.values()] == made
    assert apart([Path("a_albedo.png"), *given]) == ([Path("a_albedo.png"), *given], [])
