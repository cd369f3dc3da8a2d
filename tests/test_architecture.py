from texsynth import architecture


def test_table_is_vgg16():
    names = list(architecture.VGG16)
    assert len(architecture.CONVOLUTIONS) == 13
    assert names[0] == "conv1_1" and names[-1] == "pool5"
    assert names.index("pool2") == names.index("conv2_2") + 1
    assert [layer.out_channels for layer in architecture.CONVOLUTIONS][::3] == [
        *(64, 128, 256, 512, 512)
    ]


def test_deepest_goes_by_depth_and_not_by_order_of_naming():
    assert architecture.deepest(["pool4", "conv1_1", "conv4_3"]) == "pool4"


def test_smallest_side():
    assert architecture.smallest_side(["conv1_1"]) == 1
    assert architecture.smallest_side(["conv1_1", "pool4", "pool1"]) == 16
    assert architecture.smallest_side(["conv5_3"]) == 16
