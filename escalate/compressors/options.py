"""options: what every method can be told, what those that retrain can, and the kinds of values.

Each method's ``compressor.py`` has options of its own on top. Every field has a description and
every number two bounds: flags, help texts, error messages and tables of the documentation are made
from them. Nothing heavy is imported here, because help is made from it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from escalate.train.settings import Augmentation, Calibration, RetrainOptions
from workloads.number import MOST_SEED

# Every number has a lower and an upper bound; the upper ones are far above any use.
Count = Annotated[int, Field(ge=1, le=1 << 16, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**6, strict=True)]
Images = Annotated[int, Field(ge=1, le=10**6, strict=True)]
SeedNumber = Annotated[int, Field(ge=0, le=MOST_SEED, strict=True)]
Share = Annotated[float, Field(gt=0, le=1, strict=True)]
Part = Annotated[float, Field(ge=0, le=1, strict=True)]
Less = Annotated[float, Field(ge=0, lt=1, strict=True)]
Bits = Annotated[int, Field(ge=2, le=8, strict=True)]
Positive = Annotated[float, Field(gt=0, le=1e6, strict=True)]
Price = Annotated[float, Field(ge=0, le=1e6, strict=True)]
Ratio = Annotated[float, Field(gt=1, le=1e4, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
ByLayer = Share | Mapping[str, Share] | None
Number = TypeVar("Number", int, float)

KEPT: Mapping[str, Any] = MappingProxyType(
    {
        **dict.fromkeys(("method", "basis", "error", "ratio")),
        "mixed": False,
        **dict.fromkeys(("density", "threshold", "scope", "objective", "clusters", "group")),
        **dict.fromkeys(("penalty", "clip", "detached", "rate_penalty", "uncertainty")),
        **dict.fromkeys(("variances", "structure", "tile", "level_bits", "rho")),
        "scales": "separable",
        "weighting": "none",
        "epochs": 0,
        "learning_rate": 0.01,
        "batch": 64,
        "seed": None,
        "distillation": 0.5,
        "optimizer": "adam",
        "l1": 0.0,
        "updates": "joint",
        "ramp": 0.0,
        "augment": "none",
        "precision": "float32",
        **dict.fromkeys(("calibration", "calibration_images", "keep_int8", "weight_bits")),
        "classifier": None,
        "storage": "best",
        "remove": None,
    }
)
"""What the provenance of every model has, whatever its method: the format of that file.

It fixes the order of the fields and what stands for one that the method does not have. None is left
out. New fields go behind these, in the models of their method alone.
"""


class Options(BaseModel):
    """What every method can be told.

    A field named ``ratio`` in a method's own options is its budget: how many times smaller than
    FP32 the whole model is to be.

    Raises
    ------
    pydantic.ValidationError (a ValueError)
        For unknown fields, values out of range, and fields that exclude each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    excludes: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of fields of which at most one is given."""

    method: str = Field(description="How the network is compressed.")
    seed: SeedNumber = Field(
        0,
        description="Seed for shuffling training images and for drawing classes.",
    )
    calibration: Calibration = Field(
        "mse", description="How the range of activations is chosen, beyond which they are clipped."
    )
    calibration_images: Images = Field(
        512,
        description="How many training images, the first ones, calibrate the compressed network.",
    )
    keep_int8: tuple[str, ...] | None = Field(
        None,
        description="Names of layers that stay at 8 bits; by default the first convolution and "
        "all depthwise ones.",
    )
    weight_bits: Bits | Mapping[str, Bits] = Field(
        8, description="Bits of the weights in 8-bit layers: one number, or a table by layer."
    )
    classifier: Literal["ternary", "int8"] = Field(
        "ternary",
        description="ternary compresses the last convolution like the others; int8 keeps it at 8 "
        "bits.",
    )
    remove: Switch = Field(
        True, description="Remove channels, filters and basis kernels that have no effect."
    )

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        for left, right in self.excludes:
            if getattr(self, left) is not None and getattr(self, right) is not None:
                raise ValueError(f"{left} and {right} are both given, wanted at most one")
        return self

    @property
    def retrained(self) -> bool:
        """Whether anything is trained."""
        return False

    @property
    def first_ease(self) -> float:
        """How far the rules are from their full force before retraining, 1..0."""
        return 0.0

    def untrained(self) -> Self:
        """The same options without retraining."""
        return self

    def but(self, **fields: Any) -> Self:
        """The same options, these fields changed, checked again."""
        return type(self)(**{**self.model_dump(), **fields})

    def bits_of(self, layer: str) -> int:
        """How many bits the weights of a layer at 8 bits use."""
        if isinstance(self.weight_bits, Mapping):
            return self.weight_bits.get(layer, 8)
        return self.weight_bits

    def recorded(self) -> dict[str, Any]:
        """The options as a model's provenance keeps them, JSON values; see ``KEPT``."""
        found = {**KEPT, **self.model_dump(mode="json", exclude_none=True)}
        return {name: value for name, value in found.items() if value is not None}


class TrainedOptions(Options):
    """What methods that retrain can be told as well; see ``escalate.train.settings``."""

    eased: ClassVar[bool] = True
    """Whether ``ramp`` eases the dropping of weights; else the method has stages of its own."""

    epochs: Whole = Field(8, description="Epochs of retraining; 0 for none.")
    learning_rate: Positive = Field(
        0.01, description="Learning rate at the start; it falls to 0 along half a cosine."
    )
    batch: Count = Field(64, description="Images in one step of retraining.")
    distillation: Part = Field(
        0.5,
        description="Share of the loss that follows the original network's answers instead of the "
        "labels; 1 needs no labels.",
    )
    optimizer: Literal["adam", "sgd"] = Field("adam", description="Optimizer of retraining.")
    ramp: Part = Field(
        0.0,
        description="Drop coefficients or weights gradually over this share of the epochs.",
    )
    augment: Augmentation = Field(
        "none",
        description="Augmentation of training images: none; crop mirrors and shifts them; mix "
        "also blends pairs of images.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Number format of retraining; bfloat16 is faster on processors that support "
        "it.",
    )

    @property
    def retrained(self) -> bool:
        """Whether anything is trained."""
        return self.epochs > 0

    @property
    def first_ease(self) -> float:
        """How far the rules are from their full force before retraining, 1 or 0."""
        return 1.0 if self.eased and self.ramp > 0 and self.retrained else 0.0

    def untrained(self) -> Self:
        """The same options without retraining."""
        return self.model_copy(update={"epochs": 0})

    def retraining(self) -> RetrainOptions:
        """The fields that retraining wants."""
        names = RetrainOptions.__dataclass_fields__
        return RetrainOptions(**{n: getattr(self, n) for n in names if hasattr(self, n)})


def of_layer(value: Number | Mapping[str, Number], layer: str) -> Number:
    """The value for a layer: one number, or a table's entry.

    Examples
    --------
    >>> of_layer(3, "conv1"), of_layer({"conv1": 4}, "conv1")
    (3, 4)
    """
    return value[layer] if isinstance(value, Mapping) else value
