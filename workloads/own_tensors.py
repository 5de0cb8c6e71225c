"""Own tensors: `.npz` files with the integers of one layer each, or of several under LAYER/."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from workloads.errors import WorkloadError
from workloads.layer import MOST, MOST_PADDING, ConvLayer
from workloads.npz import NPZ_ERRORS, reason
from workloads.number import between, is_whole, shown
from workloads.read_file import refuse_unread
from workloads.tensors import MOST_SCALE, LayerTensors

TENSORS = ("activations", "weights", "basis", "coefficients")
BOUNDS = ("stride", "padding", "groups", "dilation")
SCALES = ("alpha", "two_sided")
FIELDS = (*TENSORS, *BOUNDS, *SCALES)
INT8 = np.iinfo(np.int8)
UINT8 = np.iinfo(np.uint8)


def read_own_tensors(paths: Sequence[Path]) -> tuple[LayerTensors, ...]:
    """Read the layers of one or more `.npz` files, in the order given.

    A file holds one layer, named after the file, or several with fields ``LAYER/field``.  Fields:

    ============ ==================================================================
    activations  (C, H, W) or (N, C, H, W); values within int8 or within uint8
    weights      (K, C/groups, R, S), int8 values; or instead of them
    basis        (M, R, S), int8 values; may be left out for a 1x1 layer
    coefficients (K, C/groups, M), values -1, 0, +1
    alpha        (K, M), values 1..255: scales of coefficients per filter and basis kernel; or
    two_sided    (p, n), two values 1..255: scales of the coefficients +1 and -1; or neither
    stride       one integer, default 1, or (vertical, horizontal)
    padding      one integer, or (vertical, horizontal), or (top, bottom, left, right)
    groups       one integer, default 1
    dilation     one integer, default 1, or (vertical, horizontal)
    ============ ==================================================================

    Any integer or boolean dtype is taken, so 0/1 masks are legal.  Nothing is unpickled.

    Raises
    ------
    WorkloadError
        One line naming file, layer, field, what came and what is allowed.
    """
    layers: dict[str, LayerTensors] = {}
    for path in paths:
        for name, fields in _split(path, _read(path)).items():
            if name in layers:
                raise WorkloadError(f"{path}: {name}: a layer of that name was read before")
            try:
                layers[name] = _layer_tensors(name, fields)
            except WorkloadError as error:
                raise WorkloadError(f"{path}: {error}") from None
    if not layers:
        raise WorkloadError("own tensors: wanted at least one .npz file with one layer")
    return tuple(layers.values())


def _read(path: Path) -> dict[str, np.ndarray]:
    refuse_unread(path, WorkloadError)
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise WorkloadError(f"{path}: a single array, wanted an .npz file of named fields")
            with file:
                arrays = {name: file[name] for name in file.files}
    except WorkloadError:
        raise
    except NPZ_ERRORS as error:
        told = reason(error)
        raise WorkloadError(f"{path}: not a readable .npz file of integers: {told}") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise WorkloadError(f"{path}: {name!r} is no NumPy array")
    return arrays


def _split(path: Path, arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Fields per layer; an unprefixed file holds one layer named after the file."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        layer, _, field = key.rpartition("/")
        if field not in FIELDS:
            raise WorkloadError(f"{path}: unknown field {key!r}, allowed are {', '.join(FIELDS)}")
        layers.setdefault(layer, {})[field] = array
    if not layers:
        raise WorkloadError(f"{path}: holds no field, wanted activations and weights at least")
    if "" in layers and len(layers) > 1:
        other = next(name for name in layers if name)
        raise WorkloadError(f"{path}: fields stand both alone and under {other}/, wanted one kind")
    if "" in layers:
        return {path.stem: layers[""]}
    return layers


def _check_integers(name: str, field: str, array: np.ndarray) -> None:
    if array.dtype != np.bool_ and not np.issubdtype(array.dtype, np.integer):
        raise WorkloadError(f"{name}: {field} is {array.dtype}, wanted integers or booleans")


def _fit(name: str, field: str, array: np.ndarray, low: int, high: int) -> None:
    """Refuse the first value outside low..high."""
    if array.dtype == np.bool_ or (array.min() >= low and array.max() <= high):
        return
    where = tuple(int(i) for i in np.argwhere((array < low) | (array > high))[0])
    raise WorkloadError(f"{name}: {field} at {list(where)} is {array[where]}, wanted {low}..{high}")


def _int8(name: str, field: str, array: np.ndarray) -> np.ndarray:
    _check_integers(name, field, array)
    _fit(name, field, array, int(INT8.min), int(INT8.max))
    return np.ascontiguousarray(array.astype(np.int8))


def _alpha(name: str, fields: Mapping[str, np.ndarray]) -> np.ndarray | None:
    array = fields.get("alpha")
    if array is None:
        return None
    _check_integers(name, "alpha", array)
    if array.size:
        _fit(name, "alpha", array, 1, MOST_SCALE)
    return np.ascontiguousarray(array.astype(np.uint8))


def _two_sided(name: str, fields: Mapping[str, np.ndarray]) -> tuple[int, int] | None:
    array = fields.get("two_sided")
    if array is None:
        return None
    if array.shape != (2,) or not np.issubdtype(array.dtype, np.integer):
        raise WorkloadError(
            f"{name}: two_sided is {shown(array.tolist())}, wanted two integers (p, n)"
        )
    _fit(name, "two_sided", array, 1, MOST_SCALE)
    return (int(array[0]), int(array[1]))


def _activations(name: str, array: np.ndarray) -> np.ndarray:
    """(N, C, H, W) in int8 or uint8; those two dtypes are kept, others choose by their sign."""
    _check_integers(name, "activations", array)
    if array.ndim not in (3, 4) or array.size == 0:
        raise WorkloadError(
            f"{name}: activations has shape {array.shape}, "
            "wanted (C, H, W) or (N, C, H, W) without a zero"
        )
    signed = array.dtype == np.int8 or (array.dtype != np.uint8 and bool((array < 0).any()))
    limits, dtype = (INT8, np.int8) if signed else (UINT8, np.uint8)
    _fit(name, "activations", array, int(limits.min), int(limits.max))
    stacked = array if array.ndim == 4 else array[None]
    return np.ascontiguousarray(stacked.astype(dtype))


def _number(name: str, field: str, fields: Mapping[str, np.ndarray]) -> int:
    array = fields.get(field, np.array(1))
    value = array.item() if array.size == 1 else array.tolist()
    if not is_whole(value, 1, MOST):
        raise WorkloadError(
            f"{name}: {field} is {shown(value)}, wanted one integer {between(1, MOST)}"
        )
    return int(value)


def _steps(name: str, field: str, fields: Mapping[str, np.ndarray]) -> int | tuple[int, int]:
    array = fields.get(field, np.array(1))
    if array.shape != (2,):
        return _number(name, field, fields)
    down, across = array.tolist()
    if not (is_whole(down, 1, MOST) and is_whole(across, 1, MOST)):
        raise WorkloadError(
            f"{name}: {field} is {shown([down, across])}, wanted one integer {between(1, MOST)}, "
            "or (vertical, horizontal)"
        )
    return (int(down), int(across))


def _padding(name: str, fields: Mapping[str, np.ndarray]) -> tuple[int, int, int, int]:
    array = fields.get("padding", np.array(0))
    legal = np.issubdtype(array.dtype, np.integer) and array.ndim <= 1 and array.size in (1, 2, 4)
    if not legal or not 0 <= array.min() <= array.max() <= MOST_PADDING:
        raise WorkloadError(
            f"{name}: padding is {shown(array.tolist())}, wanted one integer "
            f"{between(0, MOST_PADDING)}, or (vertical, horizontal), or (top, bottom, left, right)"
        )
    sides = [int(side) for side in array.ravel()]
    if len(sides) == 1:
        sides = sides * 2
    if len(sides) == 2:
        sides = [sides[0], sides[0], sides[1], sides[1]]
    return (sides[0], sides[1], sides[2], sides[3])


def _kernel(name: str, fields: Mapping[str, np.ndarray]) -> tuple[int, int, int, int]:
    """(K, C/groups, R, S) from the weights, or from coefficients and basis."""
    if ("weights" in fields) == ("coefficients" in fields):
        raise WorkloadError(f"{name}: wanted either weights or coefficients")
    if "weights" in fields:
        weights = fields["weights"]
        if weights.ndim != 4 or weights.size == 0:
            raise WorkloadError(
                f"{name}: weights has shape {weights.shape}, wanted (K, C/groups, R, S)"
            )
        return (weights.shape[0], weights.shape[1], weights.shape[2], weights.shape[3])
    coefficients, basis = fields["coefficients"], fields.get("basis", np.ones((1, 1, 1), np.int8))
    for field, array, letters in (
        ("coefficients", coefficients, "K, C/groups, M"),
        ("basis", basis, "M, R, S"),
    ):
        if array.ndim != 3 or array.size == 0:
            raise WorkloadError(f"{name}: {field} has shape {array.shape}, wanted ({letters})")
    return (coefficients.shape[0], coefficients.shape[1], basis.shape[1], basis.shape[2])


def _layer_tensors(name: str, fields: Mapping[str, np.ndarray]) -> LayerTensors:
    if "activations" not in fields:
        raise WorkloadError(f"{name}: activations missing, found {', '.join(fields)}")
    activations = _activations(name, fields["activations"])
    k, channels, r, s = _kernel(name, fields)
    groups = _number(name, "groups", fields)
    if channels * groups != activations.shape[1]:
        raise WorkloadError(
            f"{name}: {channels} channels per group x groups = {groups} is not the "
            f"C = {activations.shape[1]} of the activations"
        )
    layer = ConvLayer(
        name,
        C=activations.shape[1],
        K=k,
        H=activations.shape[2],
        W=activations.shape[3],
        R=r,
        S=s,
        stride=_steps(name, "stride", fields),
        padding=_padding(name, fields),
        dilation=_steps(name, "dilation", fields),
        groups=groups,
    )
    weights = {field: _int8(name, field, fields[field]) for field in TENSORS[1:] if field in fields}
    basis = weights.get("basis")
    if basis is not None and basis.shape == (1, 1, 1) and basis.item() == 1:
        basis = None  # a ternary 1x1 layer has no basis of its own
    return LayerTensors(
        layer=layer,
        activations=activations,
        weights=weights.get("weights"),
        basis=basis,
        coefficients=weights.get("coefficients"),
        origin="file",
        alpha=_alpha(name, fields),
        two_sided=_two_sided(name, fields),
    )
