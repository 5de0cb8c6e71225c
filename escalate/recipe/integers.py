"""integers: a module in forms becomes an IntegerModel without what does nothing."""

from dataclasses import replace

from escalate.compressors.options import Options
from escalate.compressors.registry import compressor
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle, removed
from escalate.train.modules import GraphModule
from workloads import formats
from workloads.integer import ImageQuantizer, IntegerModel


def integers_of(
    module: GraphModule, image: ImageQuantizer, options: Options, about: dict[str, object]
) -> IntegerModel:
    """The module as integers, without what does nothing, in its storage formats.

    Parameters
    ----------
    module : GraphModule with ranges
    image : ImageQuantizer
    options : that it was made with
    about : provenance, to which what was removed is added
    """
    found, method = lower(module, image, about), compressor(options.method)
    if method.changes and options.remove:
        small = remove_idle(found)
        gone = removed(found.layers, small.layers)
        found = replace(small, provenance={**about, "removed": gone} if gone else about)
    return replace(found, codings=codings(found, method.storage(options)))


def codings(model: IntegerModel, storage: str) -> dict[str, str]:
    """The storage format of every ternary layer: the one asked for, or the smallest."""
    return {
        name: formats.encode(weights.coefficients, storage)[0]
        for name, weights in model.layers.items()
        if weights.coefficients is not None
    }
