"""Which network the stages evaluate, and with which weights."""


def network_options(options):
    """Returns the options of a command for the network and the weights that were given."""
    found = ["--network", options["network"]]
    return found + (["--weights", options["weights"]] if options["weights"] else [])


def read_weights(options):
    """Returns the network's :class:`texsynth.weights.VGGWeights`, fetched if none were given."""
    from texsynth import weights

    network = options["network"]
    return weights.load(options["weights"] or weights.find_or_fetch(network), network)
