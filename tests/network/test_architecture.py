from texsynth.network import architecture


def test_table_is_vgg16():
    names = list(architecture.VGG16)
    assert len(architecture.CONVOLUTIONS) == 13
    assert names[0] == "conv1_1" and names[-1] == "pool5"
    assert names.index("pool2") == names.index("conv2_2") + 1
    channels = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [layer.out_channels for layer in architecture.CONVOLUTIONS] == channels
    assert [layer.in_channels for layer in architecture.CONVOLUTIONS] == [3, *channels[:-1]]


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
