"""CompressOptions: everything a compression can be told, checked at birth."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from escalate.compressors.admm import DEFAULT_TILE, Kind, Structure
from escalate.compressors.mapped import DEFAULT_BITS, DEFAULT_RHO, Target
from escalate.compressors.rate_distortion import (
    DEFAULT_CLUSTERS,
    DEFAULT_OBJECTIVE,
    MOST_CLUSTERS,
    NEED_LABELS,
    Objective,
)
from escalate.recipe.method import METHODS, Name, meaningless
from escalate.ternary.survival import Survival
from escalate.train.activation_range import Calibration
from escalate.train.augment import Augmentation
from escalate.train.granularity import granularities
from escalate.train.pruning import Pruning, Scope
from escalate.train.retrain import RetrainOptions
from workloads.number import MOST_SEED

DEFAULT_BASIS, DEFAULT_DENSITY = 6, 0.3
DEFAULT_GROUP, DEFAULT_PENALTY, DEFAULT_CLIP = (16, 1), 1e-3, 0.25
DEFAULT_STAGE = 0.5  # of the epochs, that wpc and admm take before masks stay
STAGED = ("wpc", "admm")
# Every number has a lower and an upper bound; the upper ones are far above any use.
Count = Annotated[int, Field(ge=1, le=1 << 16, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**6, strict=True)]
SeedNumber = Annotated[int, Field(ge=0, le=MOST_SEED, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, strict=True)]
Part = Annotated[float, Field(ge=0, le=1, strict=True)]
Less = Annotated[float, Field(ge=0, lt=1, strict=True)]
Bits = Annotated[int, Field(ge=2, le=8, strict=True)]
LevelBits = Annotated[int, Field(ge=2, le=7, strict=True)]
Clusters = Annotated[int, Field(ge=2, le=MOST_CLUSTERS, strict=True)]
Positive = Annotated[float, Field(gt=0, le=1e6, strict=True)]
Price = Annotated[float, Field(ge=0, le=1e6, strict=True)]
Ratio = Annotated[float, Field(gt=1, le=1e4, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
if TYPE_CHECKING:
    Granularity = str
else:
    Granularity = Literal[granularities()]
Uncertainty = Literal["fisher", "labels", "constant"]


class CompressOptions(BaseModel):
    """How to compress a network.

    Parameters
    ----------
    method : ``escalate`` (ternary coefficients of an 8-bit basis), ``prune`` (8-bit weights per
        output channel, all but the strongest 0), ``rate_distortion`` (8-bit weights that share few
        values, not retrained), ``wpc`` (ternary weights of which whole groups are 0), ``vbq``
        (8-bit weights coded by how uncertain they are, not retrained), ``admm`` (rows, columns or
        tiles of weights on few levels, as crossbars hold them), or ``int8`` (8-bit weights,
        calibrated, not retrained).  A method refuses what has no meaning for it, see
        ``escalate.recipe.method``; those that do not retrain take ``epochs = 0`` alone
    basis : M, one number for all decomposed layers (a layer with fewer taps R*S takes all of its
        taps), or a table naming each decomposed layer with R*S > 1
    error : instead of ``basis``: per layer the smallest M whose squared error is at most this share
        of the weights' squared sum
    ratio : instead of ``basis``, ``error``, ``density`` and ``threshold``: how many times smaller
        than FP32 the whole model is to be on disk; every layer's form follows by equal slope of
        the layers' curves, see ``escalate.recipe.budget``; of ``rate_distortion`` the most clusters
        that fit (where not even two do, the highest density of two), or, where ``clusters`` are
        given, the highest density; of ``prune`` and ``admm``
        the highest density; of ``vbq`` the lowest ``rate_penalty``; ``wpc`` drops its weakest
        groups until it fits
    mixed : whether ``ratio`` may also leave layers at 8 bits and fewer instead of ternary; the
        Basis-First machine runs those in its slower bypass mode
    density, threshold : which coefficients survive, see ``escalate.ternary.survival``; at most one
        of the two, density 0.3 if neither is given (``rate_distortion``: 1); density may be a
        table naming each ternary layer, or each pruned or clustered one
    scope : of a density of pruned weights: ``global`` (default), of all pruned layers together,
        whose weights compete with each other, or ``layer``, of each of them; see
        ``escalate.train.pruning``
    objective : what ``rate_distortion`` keeps small: ``kl`` (default; needs no labels),
        ``gradient``, ``hessian``, ``gradient_hessian``, or ``baseline``, plain squared errors; see
        ``escalate.compressors.rate_distortion``
    clusters : how many values the weights of each layer share, 16 by default, 0 for dropped weights
        not counted; one number or a table naming each clustered layer
    group : of ``wpc``: (channels, filters), input channels and filters of a group, which spans all
        taps of a kernel; (16, 1) by default
    penalty : of ``wpc``: lambda, price of a group's norm, 1e-3 by default
    clip : of ``wpc``: a, share of the layer's mean norm above which a group pays no more, 0.25 by
        default
    detached : of ``wpc``: whether that mean is taken for a constant (default), or has gradients of
        its own, as scripts that descend from the paper have it
    rate_penalty : of ``vbq``: lambda, price of a bit in nats, 1 by default
    uncertainty : of ``vbq``: where the weights' variances come from: ``fisher`` (default; needs no
        labels), ``labels``, the empirical Fisher information, or ``constant``, one for all
    variances : of ``vbq``: instead of ``uncertainty`` an .npz file of variances by layer
    structure : of ``admm``: what stays or goes as a whole, ``columns`` (one tap of all filters, by
        default), ``rows`` (filters; the last layer keeps its own, at 8 bits), or ``tiles`` of a
        crossbar; ``density`` is the share that stays of each layer's, at least one
    tile : of ``admm``: (taps, filters), rows and columns of a crossbar, (128, 64) by default
    level_bits : of ``admm``: levels have so many bits with their sign, 4 by default
    rho : of ``admm``: weight of the squared distance to what is wanted, of weights whose root mean
        square is 1, in units of the loss; 1e-3 by default
    scales : which scales the coefficients have, see ``escalate.train.granularity``
    weighting : what weights the squared errors of decomposition, thresholds and scales: ``none``,
        or ``inputs``, the second moments of each layer's input channels on the calibration images
    epochs, learning_rate, batch, seed, distillation, optimizer, l1, updates, ramp, augment,
        precision : see ``RetrainOptions``; ``ramp`` of ``wpc`` and ``admm`` is the share of the
        epochs before masks stay, 0.5 by default
    calibration : how activations are clipped
    calibration_images : how many of the training images (the first ones) serve to calibrate and
        to match the ternary network's signals with the original's
    keep_int8 : layers kept at 8 bits instead of ternary or pruned; None for the first convolution
        and all depthwise ones
    weight_bits : how many of the 8 bits the kept and pruned layers use, one number or a table
        naming layers; fewer bits make fewer different weights, which take less room when stored
    classifier : form of the last convolution, unless ``keep_int8`` names it; where weights are
        pruned ``ternary`` stands for pruned
    storage : format of the coefficients, see ``workloads.formats``, or ``best``: the smallest for
        each layer
    remove : whether channels, filters and basis kernels that do nothing are taken out

    Raises
    ------
    pydantic.ValidationError (a ValueError)
        For unknown fields, values out of range, and fields that exclude each other.

    Examples
    --------
    >>> CompressOptions(basis=5, density=0.2).model_dump()["basis"]
    5
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Name = "escalate"
    basis: Count | Mapping[str, Count] | None = None
    error: Less | None = None
    ratio: Ratio | None = None
    mixed: Switch = False
    density: Share | Mapping[str, Share] | None = None
    threshold: Less | None = None
    scope: Scope | None = None
    objective: Objective | None = None
    clusters: Clusters | Mapping[str, Clusters] | None = None
    group: tuple[Count, Count] | None = None
    penalty: Price | None = None
    clip: Positive | None = None
    detached: Switch | None = None
    rate_penalty: Positive | None = None
    uncertainty: Uncertainty | None = None
    variances: str | None = None
    structure: Kind | None = None
    tile: tuple[Count, Count] | None = None
    level_bits: LevelBits | None = None
    rho: Positive | None = None
    scales: Granularity = "separable"
    weighting: Literal["none", "inputs"] = "none"
    epochs: Whole = 8
    learning_rate: Positive = 0.01
    batch: Count = 64
    seed: SeedNumber = 0
    distillation: Part = 0.5
    optimizer: Literal["adam", "sgd"] = "adam"
    l1: Price = 0.0
    updates: Literal["joint", "alternating"] = "joint"
    ramp: Part = 0.0
    augment: Augmentation = "none"
    precision: Literal["float32", "bfloat16"] = "float32"
    calibration: Calibration = "mse"
    calibration_images: Annotated[int, Field(ge=1, le=10**6, strict=True)] = 512
    keep_int8: tuple[str, ...] | None = None
    weight_bits: Bits | Mapping[str, Bits] = 8
    classifier: Literal["ternary", "int8"] = "ternary"
    storage: Literal["best", "two_bit", "bitmap", "two_level", "run_length", "entropy"] = "best"
    remove: Switch = True

    @model_validator(mode="before")
    @classmethod
    def _by_method(cls, fields: Any) -> Any:
        """Defaults that differ by method."""
        if not isinstance(fields, Mapping) or fields.get("method", "escalate") not in METHODS:
            return fields
        name = fields.get("method", "escalate")
        if not METHODS[name].trained:
            return {"epochs": 0, **fields}
        return {"ramp": DEFAULT_STAGE, **fields} if name in STAGED else fields

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        pairs = [("density", "threshold"), ("basis", "error"), ("uncertainty", "variances")]
        if self.method == "rate_distortion" and self.ratio is not None:
            pairs += [("density", "clusters")]
        pairs += [("ratio", name) for name in METHODS[self.method].replaced]
        for left, right in pairs:
            if getattr(self, left) is not None and getattr(self, right) is not None:
                beside = " beside ratio" if right == "clusters" else ""
                raise ValueError(f"{left} and {right} are both given{beside}, wanted at most one")
        return self

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        for name in meaningless(self.method):
            plain = 0 if name == "epochs" else type(self).model_fields[name].default
            if getattr(self, name) != plain:
                raise ValueError(f"{name} has no meaning for method {self.method}")
        if self.scope is not None and isinstance(self.density, Mapping):
            raise ValueError("scope and a density table are both given, wanted at most one")
        return self

    @property
    def retrained(self) -> bool:
        """Whether anything is trained."""
        return METHODS[self.method].trained and self.epochs > 0

    @property
    def needs_labels(self) -> bool:
        """Whether labels are needed even where nothing is retrained."""
        return self.objective in NEED_LABELS or self.uncertainty == "labels"

    @property
    def clustering(self) -> Objective:
        """What clustering keeps small."""
        return self.objective or DEFAULT_OBJECTIVE

    @property
    def first_ease(self) -> float:
        """How far the rules are from their full force before retraining, 1 or 0."""
        eased = self.ramp > 0 and self.retrained and self.method not in STAGED
        return 1.0 if eased else 0.0

    def pruning(self, layer: str) -> Pruning:
        """The rule for a layer's 8-bit weights."""
        if isinstance(self.density, Mapping):
            return Pruning(self.density[layer], "layer")
        return Pruning(self.density or DEFAULT_DENSITY, self.scope or "global")

    def clustered(self, layer: str) -> tuple[float, int]:
        """Share of a clustered layer's weights that stay, and how many values these take."""
        shares, counts = self.density or 1.0, self.clusters or DEFAULT_CLUSTERS
        return (
            shares[layer] if isinstance(shares, Mapping) else shares,
            counts[layer] if isinstance(counts, Mapping) else counts,
        )

    @property
    def groups(self) -> tuple[tuple[int, int], float, float]:
        """Group, penalty and clip of ternary groups."""
        penalty = DEFAULT_PENALTY if self.penalty is None else self.penalty
        return self.group or DEFAULT_GROUP, penalty, self.clip or DEFAULT_CLIP

    @property
    def detaches(self) -> bool:
        """Whether the mean norm of a layer is a constant."""
        return self.detached is not False

    def mapping(self, layer: str) -> Target:
        """What a layer's weights are to become on crossbars."""
        density = self.density or DEFAULT_DENSITY
        return Target(
            Structure(self.structure or "columns", self.tile or DEFAULT_TILE),
            density[layer] if isinstance(density, Mapping) else density,
            self.level_bits or DEFAULT_BITS,
            self.rho or DEFAULT_RHO,
            self.ramp,
        )

    def survival(self, layer: str) -> Survival:
        """The rule for a layer's coefficients."""
        if self.threshold is not None:
            return Survival(threshold=self.threshold)
        if isinstance(self.density, Mapping):
            return Survival(density=self.density[layer])
        return Survival(density=self.density or DEFAULT_DENSITY)

    def bits_of(self, layer: str) -> int:
        """How many bits the weights of a kept or pruned layer use."""
        if isinstance(self.weight_bits, Mapping):
            return self.weight_bits.get(layer, 8)
        return self.weight_bits

    def retraining(self) -> RetrainOptions:
        """The fields that retraining wants."""
        names = RetrainOptions.__dataclass_fields__
        return RetrainOptions(**{name: getattr(self, name) for name in names})
