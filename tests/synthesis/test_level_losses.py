import pytest

from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, RangePenalty
from texsynth.losses.components import ComponentsLoss
from texsynth.synthesis import level_losses, pyramid

GRAM = LOSSES["gram"]({"pool1": 1.0})
COARSE = LOSSES["correspondence"]({"pool1": 1.0})
FINE = LOSSES["contrast-gram"]({"pool1": 1.0})
PENALTY = RangePenalty(1.0)
SIZES = (256, 256), (256, 256)


def levels(exemplar, output, number=None):
    return pyramid.plan(exemplar, output, 80, number, 16)


def of(plan):
    """Sizes of the levels at which the losses for coarse ones take part."""
    return [
        level.output_size
        for number, level in enumerate(plan, 1)
        if COARSE in level_losses.at_level([GRAM, COARSE, PENALTY], plan, number)
    ]


def test_losses_of_contrast_take_part_at_full_size():
    plan = levels((256, 256), (256, 256))
    found = [level_losses.at_level([GRAM, FINE, COARSE], plan, n) for n in (1, 2, 3)]
    assert found == [[GRAM, COARSE], [GRAM, COARSE], [GRAM, FINE]]
    (only,) = levels((256, 256), (256, 256), 1)
    assert level_losses.at_level([GRAM, FINE], [only], 1) == [GRAM, FINE]


@pytest.mark.parametrize(
    ("exemplar", "output", "expected"),
    [
        ((256, 256), (256, 256), [(64, 64), (128, 128)]),
        ((300, 300), (300, 300), [(75, 75), (150, 150)]),
        ((383, 383), (383, 383), [(96, 96)]),
        ((384, 384), (384, 384), [(48, 48), (96, 96)]),
        ((512, 512), (512, 512), [(64, 64), (128, 128)]),
        ((400, 95), (400, 95), []),  # one level only
        ((800, 256), (800, 256), [(200, 64), (400, 128)]),
        ((256, 256), (1024, 1024), [(256, 256), (512, 512)]),
        ((256, 256), (2048, 2048), [(512, 512)]),  # the next would be too large to be whole
        ((512, 512), (2048, 2048), [(256, 256), (512, 512)]),
    ],
)
def test_losses_for_coarse_levels_take_part_in_those(exemplar, output, expected):
    assert of(levels(exemplar, output)) == expected


def test_others_take_part_at_each_level():
    plan = levels((256, 256), (256, 256))
    for number in (1, 2, 3):
        found = level_losses.at_level([GRAM, COARSE, PENALTY], plan, number)
        assert found[0] is GRAM and found[-1] is PENALTY and len(found) == 3 - (number == 3)


def test_a_loss_for_coarse_levels_alone_is_refused():
    plan = levels((256, 256), (256, 256))
    level_losses.check([GRAM, COARSE, PENALTY], plan)
    level_losses.check([PENALTY], plan)
    with pytest.raises(ConfigError, match="loss correspondence needs another beside it at full"):
        level_losses.check([COARSE, PENALTY], plan)


def test_a_loss_for_full_size_alone_is_refused_where_there_are_coarser_levels():
    plan = levels((256, 256), (256, 256))
    told = r"loss contrast-gram needs another .* at coarser levels, as --loss gram, or --levels 1"
    for losses in ([FINE], [FINE, PENALTY]):
        with pytest.raises(ConfigError, match=told):
            level_losses.check(losses, plan)
    level_losses.check([FINE, PENALTY], levels((256, 256), (256, 256), 1))
    level_losses.check([FINE, GRAM], plan)
    level_losses.check([FINE, COARSE, PENALTY], levels((256, 256), (256, 256), 2))
    large = levels((512, 512), (512, 512), 2)  # the coarse one is too large for correspondence
    with pytest.raises(ConfigError, match="loss contrast-gram needs another"):
        level_losses.check([FINE, COARSE, PENALTY], large)


@pytest.mark.parametrize(("size", "number"), [((95, 95), None), ((256, 256), 1), ((640, 640), 2)])
def test_a_loss_without_a_coarse_level_is_refused(size, number):
    plan = levels(size, size, number)
    with pytest.raises(ConfigError, match=r"loss correspondence takes part .* the coarsest is of"):
        level_losses.check([GRAM, COARSE, PENALTY], plan)


def test_a_coarse_level_that_is_too_large_is_told():
    plan = levels((256, 256), (8192, 8192))
    with pytest.raises(
        ConfigError, match=r"409600 pixels of the texture, .*--output-size.*2048x2048"
    ):
        level_losses.check([GRAM, COARSE, PENALTY], plan)


def test_layers_of_few_positions_are_left_out_of_coarser_levels():
    deep = LOSSES["gram"]({"pool1": 1.0, "pool3": 0.5, "pool4": 2.0})
    image = LOSSES["histogram"]({"image": 1.0})
    only = LOSSES["gram"]({"pool4": 1.0})
    plan = pyramid.plan((256, 300), (512, 512), 80, 3, 16, least_positions=8)
    for number, expected in enumerate(
        [{"pool1": 1.0, "pool3": 0.5}, deep.weights, deep.weights], 1
    ):
        found = level_losses.at_level([deep, image, only, PENALTY], plan, number)
        assert found[0].weights == expected
        assert found[0].layers == tuple(expected)
        assert found[1:] == [image, only, PENALTY]  # or nothing would be left of it
    assert deep.layers == ("pool1", "pool3", "pool4")
    small = pyramid.plan((64, 64), (64, 64), 80, 1, 16, least_positions=8)
    assert level_losses.at_level([deep], small, 1) == [deep]  # full size has all of them


@pytest.mark.parametrize("number", [8, 512])
def test_components_are_left_out_with_their_layers(number):
    weights = {"pool1": 1.0, "pool4": 2.0}
    loss = ComponentsLoss(LOSSES["gram"](weights), number)
    fewer = level_losses.at_level([loss], pyramid.plan(*SIZES, 80, 3, 16, least_positions=8), 1)[0]
    assert fewer.layers == fewer.inner.layers == ("pool1",)
    assert fewer.weights == fewer.inner.weights == {"pool1": 1.0}
    assert fewer.number == number and loss.inner.layers == ("pool1", "pool4")


def test_positions_are_counted_along_the_shorter_side_of_the_exemplar():
    for side, expected in ((127, 3), (128, 4)):
        layers = {"pool1": 1.0, "pool2": 1.0, "pool3": 1.0, "pool4": 1.0}
        deep = LOSSES["gram"](layers)
        plan = pyramid.plan((2 * side, 600), (900, 900), 80, 2, 16, least_positions=8)
        assert len(level_losses.at_level([deep], plan, 1)[0].layers) == expected
