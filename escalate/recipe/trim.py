"""trim: a module in training loses its weakest coefficients or weights until its model fits."""

from collections.abc import Callable

from escalate.errors import BudgetError
from escalate.train.convolutions import QuantizedConvolution
from escalate.train.modules import GraphModule
from escalate.train.pruning import drop_weights

SPARE = 800  # the first cut goes one part in so many below the budget


def trim(module: GraphModule, budget: int, size: Callable[[], int], rounds: int = 20) -> int:
    """Drop the weakest coefficients or weights of a module in training until its model fits.

    Training moves them and their bits about, and with them the stored bytes, by a percent or two.
    Every layer that can be thinned loses the same share of what it keeps, for good; see
    ``QuantizedConvolution.thin``.

    Parameters
    ----------
    module : GraphModule, changed in place; its rules are densities
    budget : bytes
    size : stored bytes of the module as it is now
    rounds : how often to try

    Returns
    -------
    Stored bytes of the module as it is left.

    Raises
    ------
    BudgetError
        If the model does not come to fit, because what cannot be thinned takes the room.
    """
    convolutions = [c for c in module.modules() if isinstance(c, QuantizedConvolution)]
    taken = size()
    for number in range(rounds):
        if taken <= budget:
            return taken
        # A little more each time, for where what can be dropped comes in large pieces.
        spare = min(2**number / SPARE, 0.5)
        for convolution in convolutions:
            convolution.thin(budget / taken * (1 - spare))
        drop_weights(module)
        taken = size()
    if taken > budget:
        raise BudgetError(f"budget: the model in training takes {taken} bytes, wanted {budget}")
    return taken
