"""Blender, a renderer of another make, sees in an exported material what the preview shows."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from texsynth import images
from texsynth.materials.exporting import export
from texsynth.materials.normals import turned
from texsynth.materials.packings import built_in
from texsynth.materials.preview import preview

SAMPLES = Path(__file__).parents[2] / "samples/materials"
SCRIPT = Path(__file__).with_name("blender_plane.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("blender") is None, reason="there is no blender"),
]


@pytest.mark.parametrize("name", ["bricks", "plates"])
def test_a_render_looks_like_the_preview(tmp_path, name):
    kinds = ("albedo", "normal", "roughness", "metallic")
    paths = [SAMPLES / name / f"{name}_{kind}.png" for kind in kinds]
    maps = {
        kind: images.read_map(path)
        for kind, path in zip(kinds, paths, strict=True)
        if path.exists()
    }
    export(maps, built_in()["blender"], tmp_path, name)
    asked = [str(tmp_path / "blender" / f"{name}.mtlx"), str(tmp_path / "render.png"), "8"]
    started = ["blender", "--background", "--factory-startup", "--python-exit-code", "3"]
    subprocess.run(
        [*started, "--python", str(SCRIPT), "--", *asked], check=True, capture_output=True
    )
    rendered = images.read_map(tmp_path / "render.png")[..., :3]
    shown, otherwise = (
        preview(each, "plane") / 255 for each in (maps, maps | {"normal": turned(maps["normal"])})
    )
    for channel in range(3):
        here, there, wrong = (each[..., channel].ravel() for each in (rendered, shown, otherwise))
        alike = np.corrcoef(here, there)[0, 1]
        assert alike > 0.93 and alike > np.corrcoef(here, wrong)[0, 1] + 0.05
        assert abs(here.mean() - there.mean()) < 0.02
