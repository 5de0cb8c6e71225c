"""scores: how well two forms of a network agree, and how sure a share of images is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from escalate.app.images import Images
from escalate.store.model_file import LAYER_SQNR
from escalate.train.images import ImageSettings
from workloads.integer import IntegerModel

if TYPE_CHECKING:
    from torch import nn

BATCH = 100
PLAIN = "int8"  # the form of the same network in plain 8 bits
SIGMAS = 1.959963984540054  # of a normal distribution, between which 95 % of it lie


@dataclass(frozen=True, slots=True)
class Scores:
    """What a form of a network does with some images.

    Parameters
    ----------
    images : how many
    accuracy : share, 0..1, whose first answer is the label; None without labels
    agreement : share whose first answer is the original network's
    sqnr_db : power of the original's logits over that of the differences, in decibels; infinite
        for the original itself
    """

    images: int
    accuracy: float | None
    agreement: float
    sqnr_db: float


def float_logits(
    module: "nn.Module", settings: ImageSettings, images: Images, output: str | None = None
) -> np.ndarray:
    """Logits of the original module, float64 (N, classes); ``output`` names them among several."""
    import torch

    from escalate.capture.answer import only_tensor
    from escalate.capture.export import precision

    mean, std = (
        torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)
        for values in (settings.mean, settings.std)
    )
    found = []
    module.eval()
    with torch.no_grad():
        for start in range(0, len(images.pixels), BATCH):
            pixels = torch.tensor(images.pixels[start : start + BATCH], dtype=torch.float64)
            inputs = ((pixels * settings.pixel_scale - mean) / std).to(precision(module))
            logits = only_tensor(module(inputs), type(module).__name__, output)
            found.append(logits.flatten(1).double().numpy())
    return np.concatenate(found)


def integer_logits(model: IntegerModel, images: Images) -> np.ndarray:
    """Logits of the integer network in torch, float64 (N, classes), in the original's unit."""
    from escalate.integers import integer

    steps = integer.predict(model, images.pixels, batch=BATCH)
    return steps.astype(np.float64) * model.output_scale


def scores(logits: np.ndarray, original: np.ndarray, labels: np.ndarray | None) -> Scores:
    """Hold logits against the labels and the original's logits; the first of equals counts.

    Examples
    --------
    >>> found = scores(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0]]), np.array([1]))
    >>> found.accuracy, found.agreement, round(found.sqnr_db, 2)
    (0.0, 1.0, 6.02)
    """
    best = logits.argmax(axis=1)
    noise = float(((logits - original) ** 2).sum())
    signal = float((original**2).sum())
    return Scores(
        len(logits),
        None if labels is None else float((best == labels).mean()),
        float((best == original.argmax(axis=1)).mean()),
        math.inf if noise == 0 else 10 * math.log10(max(signal, 1e-300) / noise),
    )


def divergence(logits: np.ndarray, original: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of class probabilities from the original's, nats per image.

    Examples
    --------
    >>> round(divergence(np.zeros((1, 2)), np.log([[0.75, 0.25]])), 4)
    0.1308
    """
    from scipy.special import log_softmax  # takes long to import, and simulations need it not

    ours, wanted = (log_softmax(each.astype(np.float64), axis=1) for each in (logits, original))
    return max(0.0, float((np.exp(wanted) * (wanted - ours)).sum(axis=1).mean()))


def stored_quality(about: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a model keeps of its quality: accuracy, agreement, their 95 % intervals, and of how many
    images; nothing where it keeps none.

    Parameters
    ----------
    about : the model's provenance
    kind : ``int8`` for the plain 8-bit network, anything else for the model itself

    Examples
    --------
    >>> told = {"accuracy": {"images": 30, "compressed": 0.9, "agreement_compressed": 1.0}}
    >>> found = stored_quality(told, "pruned")
    >>> found["accuracy"], round(found["accuracy_low"], 3), found["agreement_high"]
    (0.9, 0.744, 1.0)
    """
    told: Any = about.get("accuracy")
    images = told.get("images") if isinstance(told, Mapping) else None
    if type(images) is not int or images < 1:
        return {}
    form = PLAIN if kind == PLAIN else "compressed"
    found: dict[str, Any] = {"scored_images": images}
    for name, key in (("accuracy", form), ("agreement", f"agreement_{form}")):
        share = told.get(key)
        if type(share) in (int, float) and 0 <= share <= 1:
            low, high = interval(share, images)
            found |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return found


def stored_loss(about: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a model keeps of what its integers lose: the signal-to-noise ratio of its answers
    against the original's, and the layer that loses most on its own, each where it is known.

    Parameters
    ----------
    about, kind : as for ``stored_quality``

    Examples
    --------
    >>> told = {"accuracy": {"sqnr_db_int8": 40.6}, "layer_sqnr_db": {"a": 45.0, "b": 33.1}}
    >>> stored_loss(told, "int8")
    {'sqnr_db': 40.6, 'loses_most': 'b', 'layer_sqnr_db': 33.1}
    """
    told: Any = about.get("accuracy")
    form = PLAIN if kind == PLAIN else "compressed"
    whole = told.get(f"sqnr_db_{form}") if isinstance(told, Mapping) else None
    found = {"sqnr_db": whole} if type(whole) in (int, float) else {}
    layers: Any = about.get(LAYER_SQNR)
    if isinstance(layers, Mapping) and layers:
        numbers = {str(n): v for n, v in layers.items() if type(v) in (int, float)}
        most = loses_most(numbers)
        found |= {} if most is None else {"loses_most": most, "layer_sqnr_db": numbers[most]}
    return found


def loses_most(ratios: Mapping[str, float]) -> str | None:
    """The layer with the lowest ratio, the first of equals; None where none is known.

    Examples
    --------
    >>> loses_most({"a": 40.0, "b": 31.5, "c": 31.5})
    'b'
    """
    return min(ratios, key=lambda name: ratios[name]) if ratios else None


def told_loss(found: Mapping[str, Any]) -> str:
    """The same in words; empty where nothing is known.

    Examples
    --------
    >>> told_loss({"sqnr_db": 40.62, "loses_most": "b", "layer_sqnr_db": 33.1})
    'SQNR 40.6 dB; b loses most, 33.1 dB alone'
    """
    told = [f"SQNR {found['sqnr_db']:.1f} dB"] if "sqnr_db" in found else []
    if "loses_most" in found:
        told.append(f"{found['loses_most']} loses most, {found['layer_sqnr_db']:.1f} dB alone")
    return "; ".join(told)


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share seen on ``count`` images, by Wilson's formula.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    J. Am. Stat. Assoc. 22 (1927).

    Examples
    --------
    >>> [round(end, 3) for end in interval(0.9, 30)]
    [0.744, 0.965]
    """
    square = SIGMAS**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = SIGMAS / (1 + square) * math.sqrt(share * (1 - share) / count + square / 4 / count)
    low = middle - reach if share > 0 else 0.0
    high = middle + reach if share < 1 else 1.0
    return max(0.0, low), min(1.0, high)
