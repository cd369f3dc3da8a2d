import pytest
from hypothesis import given
from hypothesis import strategies as st

from texsynth.errors import ConfigError
from texsynth.synthesis.pyramid import plan, tileable


def sizes(levels):
    return [level.output_size for level in levels]


def test_default_goes_from_a_quarter_to_full_size():
    levels = plan((300, 300), (300, 300), 100, None, 16)
    assert sizes(levels) == [(75, 75), (150, 150), (300, 300)]
    assert [level.steps for level in levels] == [500, 200, 100]


def test_small_images_have_fewer_levels():
    assert len(plan((192, 300), (300, 300), 1, None, 16)) == 3
    assert len(plan((191, 300), (300, 300), 1, None, 16)) == 2
    assert len(plan((96, 96), (96, 96), 1, None, 16)) == 2
    assert len(plan((95, 96), (96, 96), 1, None, 16)) == 1
    assert len(plan((300, 300), (300, 95), 1, None, 16)) == 1  # or a small output of a large one


def test_default_goes_down_to_48_pixels_or_more():
    levels = plan((4096, 4096), (4096, 8192), 1, None, 16)
    assert sizes(levels)[0] == (64, 128)
    assert [level.steps for level in levels] == [5] * 5 + [2, 1]


def test_exemplar_and_output_shrink_alike():
    levels = plan((200, 100), (80, 301), 5, 2, 16)
    assert levels[0].exemplar_size == (100, 50)
    assert levels[0].output_size == (40, 150)
    assert levels[1].exemplar_size == (200, 100)


def test_work_is_pixels_times_steps():
    levels = plan((64, 64), (64, 32), 10, 2, 16)
    assert [level.work for level in levels] == [32 * 16 * 20, 64 * 32 * 10]


def test_the_coarsest_level_has_a_frame():
    told = (256, 256), (300, 256), 80, None, 16
    coarsest, *others = plan(*told, margin=16, frame=8)
    assert coarsest.output_size == (75, 64) and coarsest.frame == (8, 8)
    assert coarsest.framed_size == (91, 80) and coarsest.margin == (4, 4)
    assert coarsest.canvas_size == (99, 88)
    assert others == plan(*told, margin=16)[1:]
    assert all(each.framed_size == each.output_size for each in others)


def test_what_tiles_and_what_has_one_level_have_no_frame():
    wrapping = plan((256, 256), (256, 256), 80, None, 16, 16, wrap=(False, True), frame=8)
    assert wrapping[0].frame == (8, 0)
    assert wrapping[0].canvas_size == (64, 88)
    assert plan((256, 256), (256, 256), 80, 1, 16, frame=8) == plan(
        (256, 256), (256, 256), 80, 1, 16
    )


@pytest.mark.parametrize(
    ("exemplar", "output", "message"),
    [
        ((15, 300), (300, 300), "exemplar of 15x300 px is too small.* at least 16 px"),
        ((300, 300), (300, 15), "output of 300x15 px is too small.* at least 16 px"),
    ],
)
def test_too_small_for_the_deepest_layer(exemplar, output, message):
    with pytest.raises(ConfigError, match=message):
        plan(exemplar, output, 1, None, 16)


def test_too_many_levels():
    assert len(plan((64, 64), (64, 64), 1, 3, 16)) == 3
    with pytest.raises(ConfigError, match="levels must be at most 3 for a side of 64 px, not 4"):
        plan((64, 64), (64, 64), 1, 4, 16)


def test_a_deeper_layer_keeps_the_coarsest_level_larger():
    assert len(plan((256, 256), (256, 256), 1, None, 16)) == 3
    assert len(plan((256, 256), (256, 256), 1, None, 128)) == 2


def test_sides_are_rounded_to_the_nearest():
    assert plan((75, 79), (75, 79), 1, 2, 16)[0].output_size == (38, 40)


def test_the_margin_shrinks_with_the_level_and_the_pad_does_not():
    coarse, fine = plan((64, 96), (64, 48), 1, 2, 16, margin=8, pad=5, trim=1 / 16)
    assert fine.output_size == (64, 48)
    assert fine.canvas_size == (80, 64)
    assert (coarse.output_size, coarse.canvas_size) == ((32, 24), (40, 32))
    assert fine.work == 80 * 64
    assert (fine.margin, coarse.margin) == ((8, 8), (4, 4))
    assert (fine.pad, coarse.pad) == (5, 5)
    assert (fine.trim, coarse.trim) == ((6, 4), (3, 2))
    assert plan((250, 244), (250, 244), 1, 1, 16, trim=1 / 32)[0].trim == (8, 8)  # of 7.6 and 7.8
    assert (fine.padded_size, coarse.padded_size) == ((74, 106), (42, 58))


def test_tiling_sides_are_multiples_and_have_no_margin():
    levels = plan((300, 300), (304, 300), 1, 3, 16, margin=8, wrap=(False, True))
    assert sizes(levels) == [(80, 75), (160, 150), (304, 300)]
    assert [level.canvas_size for level in levels] == [(80, 79), (160, 158), (304, 316)]
    assert [level.margin for level in levels] == [(2, 0), (4, 0), (8, 0)]  # rows and columns


def test_what_wraps_has_a_larger_canvas_that_can_and_begins_with_all_of_it():
    coarse, half, full = plan((300, 200), (300, 260), 1, 3, 16, margin=8, frame=8, wraps=True)
    assert (full.canvas_size, full.output_size) == ((320, 288), (300, 260))
    assert (half.canvas_size, coarse.canvas_size) == ((160, 144), (80, 80))
    for level in (coarse, half, full):
        assert level.wrap == (True, True)
        assert level.frame == (0, 0)
        assert level.whole_size == level.framed_size == level.canvas_size
    assert full.margin == (14, 10)  # what is cut away is in no statistic
    with pytest.raises(ConfigError, match="304x256"):  # what is to tile is not cut
        plan((300, 200), (300, 260), 1, 3, 16, wrap=(True, True), wraps=True)


def test_at_coarse_levels_exemplar_and_texture_are_in_proportion_to_a_canvas_that_wraps():
    for level in plan((300, 200), (300, 260), 1, 3, 16, wraps=True):
        across, down = level.canvas_size[0] / 320, level.canvas_size[1] / 288
        assert level.exemplar_size == (round(300 * across), round(200 * down))
        assert level.output_size == (round(300 * across), round(260 * down))
    along_rows = plan((300, 200), (304, 260), 1, 2, 16, margin=8, wrap=(False, True))[0]
    assert along_rows.canvas_size == (160, 138)  # the nearest to 152, and half of 276
    assert along_rows.exemplar_size == (round(300 * 160 / 304), 100)
    assert along_rows.output_size == (160, 130)
    assert along_rows.margin == (4, 0)


@pytest.mark.parametrize(
    ("side", "canvas"),
    [(256, 256), (257, 288), (288, 320), (289, 320), (300, 320), (321, 352), (353, 384)],
)
def test_a_canvas_is_halved_exactly_where_that_takes_few_pixels(side, canvas):
    full = plan((300, 300), (side, 700), 1, 3, 16, wraps=True)[-1]
    assert full.canvas_size == (canvas, 704)
    tiling = plan((300, 300), (304, side), 1, 3, 16, wrap=(False, True), wraps=True)[-1]
    assert tiling.canvas_size == (304, canvas)


@given(
    exemplar=st.tuples(st.integers(16, 700), st.integers(16, 700)),
    output=st.tuples(st.integers(16, 700), st.integers(16, 700)),
    levels=st.integers(1, 5),
    wraps=st.booleans(),
)
def test_what_wraps_fits_the_network_at_each_level(exemplar, output, levels, wraps):
    wrap = (False, False) if wraps else (True, True)
    output = output if wraps else tileable(output, wrap, 16)
    try:
        planned = plan(exemplar, output, 1, levels, 16, wrap=wrap, wraps=wraps)
    except ConfigError as error:
        assert "levels must be at most" in str(error)
        return
    for level in planned:
        assert min(level.exemplar_size) >= 16
        assert all(side % 16 == 0 for side in level.canvas_size)
        for own, canvas in zip(level.output_size, level.canvas_size, strict=True):
            assert own <= canvas
    assert planned[-1].exemplar_size == exemplar and planned[-1].output_size == tuple(output)


def test_sizes_that_are_halved_exactly_are_so_where_they_wrap():
    levels = plan((256, 256), (512, 512), 1, 3, 16, wraps=True)
    assert [level.exemplar_size[0] for level in levels] == [64, 128, 256]
    assert [level.canvas_size[0] for level in levels] == [128, 256, 512]
    assert sizes(levels) == [level.canvas_size for level in levels]


def test_a_size_that_cannot_tile_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="multiples of 16 px, not 300x300; use 304x304"):
        plan((300, 300), (300, 300), 1, 3, 16, wrap=(True, True))
    assert tileable((300, 70), (True, False), 16) == (300, 64)
    assert tileable((3, 3), (True, True), 16) == (16, 16)
