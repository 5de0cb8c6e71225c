"""Published densities of pruned networks, layer by layer, for making synthetic tensors.

Per cent as printed: of the weights that are left, and of the layer's outputs that are not 0.  A
layer's inputs are the outputs of the row before (so Han et al. count their operations: conv2 of
AlexNet keeps 38 % x 88 % = 33 %), pooling in between left aside; the image is dense.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from workloads.errors import WorkloadError

Rows = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Densities:
    """The densities of one publication.

    Parameters
    ----------
    source : the citation
    networks : by network, rows of layer, per cent of weights, per cent of outputs
    """

    source: str
    networks: Mapping[str, Rows]


HAN = Densities(
    "Han et al., NIPS 2015, arXiv 1506.02626, tables 4 and 5",
    {
        "alexnet": (
            ("conv1", 84, 88),
            ("conv2", 38, 52),
            ("conv3", 35, 37),
            ("conv4", 37, 40),
            ("conv5", 37, 34),
            ("fc6", 9, 36),
            ("fc7", 9, 40),
            ("fc8", 25, 100),
        ),
        "vgg16": (
            ("conv1_1", 58, 53),
            ("conv1_2", 22, 89),
            ("conv2_1", 34, 80),
            ("conv2_2", 36, 81),
            ("conv3_1", 53, 68),
            ("conv3_2", 24, 70),
            ("conv3_3", 42, 64),
            ("conv4_1", 32, 51),
            ("conv4_2", 27, 45),
            ("conv4_3", 34, 34),
            ("conv5_1", 35, 32),
            ("conv5_2", 29, 29),
            ("conv5_3", 36, 19),
            ("fc6", 4, 38),
            ("fc7", 4, 42),
            ("fc8", 23, 100),
        ),
    },
)
PUBLISHED: Mapping[str, Densities] = {"han": HAN}


def published(name: str, network: str, tensor: str) -> dict[str, float]:
    """Published density of each layer's ``weights``, or of the ``activations`` it reads, 0..1.

    Raises
    ------
    WorkloadError
        If nobody published densities under that name, or not of that network.

    Examples
    --------
    >>> published("han", "alexnet", "weights")["conv2"], published("han", "alexnet", "activations")
    (0.38, {'conv1': 1.0, 'conv2': 0.88, 'conv3': 0.52, 'conv4': 0.37, 'conv5': 0.4, 'fc6': 0.34, \
'fc7': 0.36, 'fc8': 0.4})
    """
    if name not in PUBLISHED:
        raise WorkloadError(f"densities {name!r} are unknown, wanted one of {', '.join(PUBLISHED)}")
    networks = PUBLISHED[name].networks
    if network not in networks:
        known = " and ".join(networks)
        raise WorkloadError(f"{network}: densities {name!r} are published of {known} alone")
    rows = networks[network]
    if tensor == "weights":
        return {layer: percent / 100 for layer, percent, _ in rows}
    read = {rows[0][0]: 1.0}
    return read | {layer: before / 100 for (_, _, before), (layer, _, _) in pairwise(rows)}
