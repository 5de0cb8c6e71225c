"""integers: a module in forms becomes an IntegerModel without what does nothing."""

from dataclasses import replace

from escalate.compressors.options import Options
from escalate.compressors.registry import compressor
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle, removed
from escalate.train.modules import GraphModule
from workloads.formats import BEST
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
        gone = removed(found.weights, small.weights)
        found = replace(small, provenance={**about, "removed": gone} if gone else about)
    return stored_in(found, method.storage(options))


def stored_in(model: IntegerModel, storage: str) -> IntegerModel:
    """The model with its ternary layers in a storage format, or each in its smallest."""
    convs = {
        name: replace(conv, coding=conv.weights.smallest() if storage == BEST else storage)
        for name, conv in model.convs.items()
        if conv.weights.coefficients is not None
    }
    return replace(model, convs={**model.convs, **convs})
