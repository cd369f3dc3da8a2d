import pytest

from texsynth.network import architecture

CHANNELS = {
    "vgg16": [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6,
    "vgg19": [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8,
}


@pytest.mark.parametrize(("network", "channels"), CHANNELS.items())
def test_tables_are_those_of_the_paper(network, channels):
    table = architecture.NETWORKS[network]
    names, convolutions = list(table), architecture.convolutions(table)
    assert names[0] == "conv1_1" and names[-1] == "pool5"
    assert names.index("pool2") == names.index("conv2_2") + 1
    assert [layer.out_channels for layer in convolutions] == channels
    assert [layer.in_channels for layer in convolutions] == [3, *channels[:-1]]


def test_normalised_vgg19_differs_in_weights_alone():
    assert architecture.NETWORKS["vgg19-normalised"] == architecture.NETWORKS["vgg19"]


def test_what_is_said_of_names_holds_for_all_networks():
    for table in architecture.NETWORKS.values():
        assert sorted(table, key=list(architecture.VGG19).index) == list(table)
        for name, layer in table.items():
            assert layer.stride == architecture.stride(name)
            assert getattr(layer, "out_channels", 0) in (0, architecture.channels(name))


def test_way_to_the_deepest_layer():
    def way(names, table):
        return [layer.name for layer in architecture.to_deepest(names, table)]

    assert way([], architecture.VGG16) == []
    assert way(["conv1_1"], architecture.VGG16) == ["conv1_1"]
    assert way(["pool1", "conv1_1"], architecture.VGG16) == ["conv1_1", "conv1_2", "pool1"]
    assert len(way(["pool5"], architecture.VGG16)) == 18
    assert len(way(["pool5"], architecture.VGG19)) == 21
    assert way(["pool3"], architecture.VGG19)[-2:] == ["conv3_4", "pool3"]


def test_stride_doubles_with_every_pooling_and_is_1_for_the_image():
    names = ["image", "conv1_2", "pool1", "conv2_1", "pool4", "conv5_3", "pool5"]
    assert [architecture.stride(name) for name in names] == [1, 1, 2, 2, 16, 16, 32]


def test_deepest_goes_by_depth_and_not_by_order_of_naming():
    assert architecture.deepest(["pool4", "conv1_1", "conv4_3"]) == "pool4"
    assert architecture.deepest(["conv4_3", "pool1"]) == "conv4_3"


def test_smallest_side():
    assert architecture.smallest_side(["conv1_1"]) == 1
    assert architecture.smallest_side(["conv1_1", "pool4", "pool1"]) == 16
    assert architecture.smallest_side(["conv5_3"]) == 16
