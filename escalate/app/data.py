"""data: the images of a compression, and how its network was trained to see them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from escalate.app.images import (
    BYTE_SCALE,
    DIGITS,
    DIGITS_SCALE,
    PHOTOS,
    SKLEARN,
    Images,
    canonical,
    kind,
    parts_of,
    path_of,
    read_images,
    told_fit,
)
from escalate.app.labels import Classes, listed_classes
from escalate.errors import CheckpointError, DataError
from escalate.store.model_file import About
from escalate.train.images import ImageSettings
from workloads.integer import IntegerModel

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FOLDER_SIZE = (224, 224)
OWN_SIZES = {DIGITS: (8, 8), "cifar10": (32, 32)}  # of images that all have one size
UNITS = (1, 255)
LEAST_STD = 1e-6  # of a pixel's deviation, black to white being 1
MOST_SIDE = 1 << 14  # pixels
STORED, CLASSES = "preprocessing", "classes"  # where a model keeps what is said here


@dataclass(frozen=True, slots=True)
class Data:
    """Where images come from, and how the network was trained to see them.

    Parameters
    ----------
    name : ``digits``, ``photos``, ``cifar10:FOLDER`` or a folder of image files; kept in full
    size : (H, W); None for the data's own, or 224 x 224 for a folder
    mean, std : per channel, both or none; None for 0 and 1 (digits) or ImageNet's (colour;
        Assumption)
    limit : use only so many training images
    held_out : score on the last so many training images instead of the test images, and do not
        train on them
    resize : short side of pictures before the centre of ``size`` is cut out; None for the rule of
        ``workloads.load.short_side``
    units : of ``mean`` and ``std``: 1 where pixels run from 0 to 1, 255 where they run to 255
    classes : file with the name of each output's class, a line each

    Raises
    ------
    DataError
        In one line, for values that cannot be.
    """

    name: str
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    limit: int | None = None
    held_out: int | None = None
    resize: int | None = None
    units: int = 1
    classes: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", canonical(self.name))
        _check_sides(self.settings_size, self.resize)
        if self.units not in UNITS:
            raise DataError(f"--units: {self.units}, wanted 1 or 255")
        if (self.mean is None) != (self.std is None):
            raise DataError("--mean and --std go together, one of them was not given")
        if self.mean is None and self.units != 1:
            raise DataError(f"--units {self.units}: goes with --mean and --std")
        for name, least in (("mean", 0.0), ("std", LEAST_STD * self.units)):
            for value in getattr(self, name) or ():
                if not least <= value <= self.units:
                    hint = "; for pixels of 0..255 say --units 255" if self.units == 1 else ""
                    told = f"wanted {least:g}..{self.units}, in units of 0..{self.units}{hint}"
                    raise DataError(f"--{name}: {value:g}, {told}")

    def sized(self, size: tuple[int, int]) -> "Data":
        """The same for a network that wants another size."""
        bundled = self.name in (DIGITS, PHOTOS)
        return replace(self, name=SKLEARN + self.name if bundled else self.name, size=size)

    @property
    def settings_size(self) -> tuple[int, int]:
        """(H, W) that the network wants."""
        return self.size or OWN_SIZES.get(kind(self.name), FOLDER_SIZE)

    def settings(self) -> ImageSettings:
        """How the network sees a pixel."""
        digits = self.name == DIGITS
        scale = DIGITS_SCALE if digits else BYTE_SCALE
        if self.mean is not None and self.std is not None:
            mean, std = (
                tuple(value / self.units for value in each) for each in (self.mean, self.std)
            )
        else:
            mean, std = ((0.0,), (1.0,)) if digits else (IMAGENET_MEAN, IMAGENET_STD)
        return ImageSettings(scale, mean, std, self.settings_size)

    def read(self, outputs: int | None = None) -> tuple[Images, Images, bool]:
        """Training images, test images, and whether the two are different ones.

        A folder with ``train`` and ``val`` in it is split that way; any other folder serves as
        both.

        Parameters
        ----------
        outputs : of the network
        """
        settings = self.settings()
        channels, size = len(settings.mean), settings.size
        known = Classes(outputs)
        if self.classes is not None and outputs is not None:
            known = listed_classes(self.classes, outputs)
        how: dict[str, Any] = {"resize": self.resize, "classes": known}
        apart = kind(self.name) in (DIGITS, "cifar10")
        apart |= kind(self.name) == "folder" and parts_of(path_of(self.name)) is not None
        train = read_images(self.name, channels, size, split="train", **how)
        if self.held_out is not None:
            train, test = self._held_out(train)
            return train.first(self.limit), test, True
        return train.first(self.limit), read_images(self.name, channels, size, **how), apart

    def _held_out(self, images: Images) -> tuple[Images, Images]:
        """All but the last images, and those."""
        count = len(images.pixels)
        if not 1 <= (self.held_out or 0) < count:
            raise DataError(
                f"{self.name}: {self.held_out} images to hold out, wanted 1..{count - 1} "
                f"of its {count}"
            )
        first = count - (self.held_out or 0)
        labels = None if images.labels is None else images.labels[first:]
        return images.first(first), replace(images, pixels=images.pixels[first:], labels=labels)

    def story(self) -> dict[str, Any]:
        """What a model keeps of how pictures are brought to its size."""
        return {STORED: {"resize": self.resize}}

    def told(self) -> str:
        """How the network sees pictures, in a line."""
        settings = self.settings()
        mean, std = (", ".join(f"{value:g}" for value in v) for v in (settings.mean, settings.std))
        own = OWN_SIZES.get(kind(self.name))
        whole = own == settings.size and self.resize is None
        fit = "as they are" if whole else told_fit(settings.size, self.resize)
        return f"{fit}; (x - {mean}) / ({std}), black 0, white 1"


def _check_sides(size: tuple[int, int], resize: int | None) -> None:
    for side in size:
        if not 1 <= side <= MOST_SIDE:
            raise DataError(f"--crop: {side}, wanted 1..{MOST_SIDE}")
    if resize is not None and not max(size) <= resize <= MOST_SIDE:
        raise DataError(
            f"--resize: {resize}, wanted {max(size)} (the crop's longer side)..{MOST_SIDE}"
        )


def stored_resize(model: IntegerModel | About) -> int | None:
    """The short side that a model's pictures are scaled to; None for the rule.

    Raises
    ------
    CheckpointError
        If what the model keeps cannot be.
    """
    kept = model.provenance.get(STORED)
    resize = kept.get("resize") if isinstance(kept, Mapping) else None
    if resize is None:
        return None
    if type(resize) is not int or not max(model.image.size) <= resize <= MOST_SIDE:
        raise CheckpointError(f"{model.graph.name}: {STORED}.resize is {resize!r}, wanted a side")
    return resize


def tells_preprocessing(model: IntegerModel | About) -> bool:
    """Whether a model says how pictures are brought to its size; older ones do not."""
    return isinstance(model.provenance.get(STORED), Mapping)


def stored_classes(model: IntegerModel | About) -> Classes:
    """What a model knows of its outputs.

    Raises
    ------
    CheckpointError
        If what the model keeps cannot be.
    """
    outputs = outputs_of(model)
    names: Any = model.provenance.get(CLASSES, ())
    fine = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    if not fine or (names and len(set(names)) != outputs):
        raise CheckpointError(
            f"{model.graph.name}: {CLASSES} are not {outputs} different names, one for each output"
        )
    return Classes(outputs, tuple(names), "the model")


def outputs_of(model: IntegerModel | About) -> int:
    """How many numbers the network answers with."""
    channels, rows, columns = model.graph.output.shape
    return channels * rows * columns
