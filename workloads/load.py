"""Images as plain arrays: those bundled with scikit-learn, image folders, CIFAR-10."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workloads.errors import WorkloadError
from workloads.plain_pickle import PICKLE_ERRORS, load_plain
from workloads.read_file import check_regular

if TYPE_CHECKING:
    from PIL import Image

Split = Literal["train", "test"]
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
CUSTOM, FROM = 256, 224  # ImageNet's custom: the short side is 256 where the crop is 224 or more
MARGIN = 8 / 7  # the same share for other crops
MOST_PIXELS = 1 << 28  # of a picture that is scaled
CIFAR_SHAPE = (3, 32, 32)
CIFAR_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Pixels as their source stores them, with labels.

    Parameters
    ----------
    pixels : uint8, shape (N, C, H, W), N >= 1
    labels : int64, shape (N,), indices into ``classes``; None where they are unknown
    source : where the images come from, for provenance
    classes : names of the classes; empty where they are unknown

    Raises
    ------
    WorkloadError
        If there is no image, or not one label below ``len(classes)`` for each.
    """

    pixels: np.ndarray
    labels: np.ndarray | None
    source: str
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 4 or len(self.pixels) < 1:
            raise WorkloadError(
                f"{self.source}: pixels are {self.pixels.dtype} {self.pixels.shape}, "
                "wanted uint8 (N, C, H, W) with N >= 1"
            )
        self.pixels.setflags(write=False)
        if self.labels is None:
            return
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.pixels),):
            raise WorkloadError(
                f"{self.source}: labels are {self.labels.dtype} {self.labels.shape}, "
                f"wanted int64 ({len(self.pixels)},)"
            )
        if self.labels.min() < 0 or self.labels.max() >= len(self.classes):
            raise WorkloadError(
                f"{self.source}: labels run from {self.labels.min()} to {self.labels.max()}, "
                f"there are {len(self.classes)} classes"
            )
        self.labels.setflags(write=False)


def digits(split: Split, *, seed: int = 0, test_share: float = 0.2) -> Images:
    """Handwritten digits, 8x8 pixels of 0..16 (scikit-learn's copy of the UCI test set).

    Parameters
    ----------
    split : ``train`` or ``test``
    seed : of the split; each class gives the same share of its images to the test set
    test_share : fraction of each class in the test set, dimensionless

    Examples
    --------
    >>> train, test = digits("train"), digits("test")
    >>> train.pixels.shape, test.pixels.shape, int(train.pixels.max())
    ((1438, 1, 8, 8), (359, 1, 8, 8), 16)
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    rng = np.random.default_rng(seed)
    is_test = np.zeros(len(bundle.target), bool)
    for label in range(len(bundle.target_names)):
        places = rng.permutation(np.flatnonzero(bundle.target == label))
        is_test[places[: round(test_share * len(places))]] = True
    part = is_test if split == "test" else ~is_test
    return Images(
        bundle.images[part, None].astype(np.uint8),
        bundle.target[part].astype(np.int64),
        f"digits:{split} (scikit-learn, seed {seed})",
        tuple(str(name) for name in bundle.target_names),
    )


def photos() -> Images:
    """The two sample photographs of scikit-learn, colour, 427 x 640 pixels, without labels.

    Examples
    --------
    >>> photos().pixels.shape
    (2, 3, 427, 640)
    """
    from sklearn.datasets import load_sample_images

    pixels = np.stack([image.transpose(2, 0, 1) for image in load_sample_images().images])
    return Images(np.ascontiguousarray(pixels), None, "photos (scikit-learn)")


def short_side(crop: int) -> int:
    """The short side to which pictures are scaled before a square of ``crop`` pixels is cut out.

    256 for crops of 224 to 255 pixels, as ImageNet's networks are tested (Krizhevsky et al., NIPS
    2012, section 2, cut 224 out of 256; Caffe's cut 227); 8/7 of any other crop, which is the same
    share.

    Examples
    --------
    >>> [short_side(crop) for crop in (32, 128, 224, 227, 240, 299, 384)]
    [37, 146, 256, 256, 256, 342, 439]
    """
    return CUSTOM if FROM <= crop < CUSTOM else round(MARGIN * crop)


def image_files(folder: Path) -> list[Path]:
    """All image files in a folder and its subfolders, sorted by name.

    Raises
    ------
    WorkloadError
        If there is none.
    """
    if not folder.is_dir():
        raise WorkloadError(f"{folder}: no such folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise WorkloadError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    return files


def class_folders(folder: Path, files: Sequence[Path]) -> tuple[str, ...]:
    """The subfolders that hold the files, by name; none if the files are in the folder itself.

    Raises
    ------
    WorkloadError
        For images beside subfolders.
    """
    homes = {file.relative_to(folder).parts[0] for file in files if file.parent != folder}
    loose = next((file for file in files if file.parent == folder), None)
    if homes and loose is not None:
        raise WorkloadError(f"{loose}: an image beside the class folders, wanted all in folders")
    return tuple(sorted(homes))


def image_folder(
    path: str | Path,
    size: tuple[int, int],
    *,
    channels: int = 3,
    limit: int | None = None,
    resize: int | None = None,
) -> Images:
    """Read the image files of a folder, by name. Its subfolders, if any, are the classes.

    Parameters
    ----------
    path : folder of images, or of one subfolder of images per class
    size : (H, W) wanted
    channels : 3 for colour, 1 for grey
    limit : only the first so many files are opened; None for all
    resize : as for ``fitted``

    Raises
    ------
    WorkloadError
        For a folder without images, images beside subfolders, and a file that is no image.
    """
    folder = Path(path)
    if channels not in (1, 3):
        raise WorkloadError(f"{folder}: channels is {channels}, wanted 1 or 3")
    files = image_files(folder)
    classes = class_folders(folder, files)
    pixels = np.stack([_read_image(file, size, channels, resize) for file in files[:limit]])
    if not classes:
        return Images(pixels, None, str(folder))
    homes = [file.relative_to(folder).parts[0] for file in files[:limit]]
    labels = np.array([classes.index(home) for home in homes], np.int64)
    return Images(pixels, labels, str(folder), classes)


def _read_image(file: Path, size: tuple[int, int], channels: int, resize: int | None) -> np.ndarray:
    """One picture as uint8 (C, H, W), scaled and cropped."""
    from PIL import Image

    try:
        check_regular(file)
        with Image.open(file) as opened:
            return fitted(opened, size, channels, resize)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WorkloadError(f"{file}: cannot be read as an image: {reason}") from error


def fitted(
    opened: "Image.Image", size: tuple[int, int], channels: int, resize: int | None = None
) -> np.ndarray:
    """The centre of a scaled picture; uint8, shape (C, H, W).

    Parameters
    ----------
    opened : the picture
    size : (H, W) wanted
    channels : 3 for colour, 1 for grey
    resize : the short side is scaled to so many pixels, at least H and W.  By default to
        ``short_side`` of a square; a picture is scaled until 7/8 of it hold what is not a square,
        and one that has the wanted size already is taken as it is.

    Raises
    ------
    ValueError
        If a picture is so long that it has more than 2^28 pixels when scaled.
    """
    from PIL import Image

    height, width = size
    picture = opened.convert("RGB" if channels == 3 else "L")
    if resize is not None or picture.size != (width, height):
        wide, high = scaled(picture.size, size, resize)
        if wide * high > MOST_PIXELS:
            raise ValueError(f"{picture.size} would be scaled to {wide} x {high} pixels")
        if picture.size != (wide, high):
            picture = picture.resize((wide, high), Image.Resampling.BILINEAR)
        left, top = round((wide - width) / 2), round((high - height) / 2)
        picture = picture.crop((left, top, left + width, top + height))
    pixels = np.asarray(picture, np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def scaled(picture: tuple[int, int], size: tuple[int, int], resize: int | None) -> tuple[int, int]:
    """Width and height to which a picture (width, height) is scaled for a crop of ``size`` (H, W).

    Sides are rounded as ``torchvision.transforms.Resize`` rounds them: the long one down.

    Examples
    --------
    >>> scaled((500, 375), (224, 224), None), scaled((500, 375), (227, 227), 227)
    ((341, 256), (302, 227))
    >>> scaled((640, 427), (48, 64), None)
    (82, 55)
    """
    wide, high = picture
    if resize is None and size[0] != size[1]:
        scale = MARGIN * max(size[1] / wide, size[0] / high)
        return max(size[1], round(wide * scale)), max(size[0], round(high * scale))
    short = short_side(size[0]) if resize is None else resize
    return max(short, short * wide // high), max(short, short * high // wide)


def cifar10(path: str | Path, split: Split) -> Images:
    """CIFAR-10 from its standard folder of Python batches; some batches may be missing.

    The pickles are read without running code: arrays and plain containers only.

    Parameters
    ----------
    path : folder with ``data_batch_1`` .. ``data_batch_5``, ``test_batch``, ``batches.meta``
    split : ``train`` or ``test``

    Raises
    ------
    WorkloadError
        For a folder without batches of that split, and files that are torn, foreign or need code.
    """
    folder = Path(path)
    files = [folder / name for name in CIFAR_FILES[split] if (folder / name).is_file()]
    if not files:
        wanted = " or ".join(CIFAR_FILES[split])
        raise WorkloadError(f"{folder}: holds no CIFAR-10 {split} batch, wanted {wanted}")
    batches = [_cifar_batch(file) for file in files]
    return Images(
        np.concatenate([pixels for pixels, _ in batches]),
        np.concatenate([labels for _, labels in batches]),
        f"cifar10:{split} ({folder.name}: {', '.join(file.name for file in files)})",
        _cifar_classes(folder / "batches.meta"),
    )


def _entries(file: Path) -> dict[str, Any]:
    """The dictionary in a pickle, its keys as text."""
    try:
        with file.open("rb") as stream:
            content = load_plain(stream)
    except PICKLE_ERRORS as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise WorkloadError(f"{file}: cannot be read as a plain pickle: {reason}") from error
    if not isinstance(content, dict):
        raise WorkloadError(f"{file}: holds a {type(content).__name__}, wanted a dictionary")
    return {_text(key): value for key, value in content.items()}


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _cifar_batch(file: Path) -> tuple[np.ndarray, np.ndarray]:
    entries = _entries(file)
    data, labels = entries.get("data"), entries.get("labels")
    length = int(np.prod(CIFAR_SHAPE))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (length,):
        found = (
            f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        )
        raise WorkloadError(f"{file}: data is {found}, wanted uint8 (N, {length})")
    if (
        not isinstance(labels, list)
        or len(labels) != len(data)
        or any(type(label) is not int for label in labels)
    ):
        raise WorkloadError(f"{file}: labels is no list of {len(data)} integers")
    return data.reshape(-1, *CIFAR_SHAPE), np.array(labels, np.int64)


def _cifar_classes(file: Path) -> tuple[str, ...]:
    """The names in ``batches.meta``, or the numbers where that file is missing."""
    if not file.is_file():
        return tuple(str(number) for number in range(10))
    names = _entries(file).get("label_names")
    if not isinstance(names, list):
        raise WorkloadError(f"{file}: label_names is no list")
    return tuple(_text(name) for name in names)
