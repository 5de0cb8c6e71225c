"""Readings: which tensors of a checkpoint are a module's, whatever tools have put around them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

DEEPEST = 4  # entries within entries
COUNTED = ("total_ops", "total_params")  # what profilers leave in a module
COUNTER = "num_batches_tracked"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One way to find a module's tensors in a checkpoint.

    Parameters
    ----------
    entry : the entry that holds them, names joined by dots; empty for the whole file
    prefix : what stands in front of the module's names
    tensors : by the module's names
    combined : names that were made of two tensors, as pruning and weight norm store them
    ignored : how many other entries stand beside them
    """

    entry: str
    prefix: str
    tensors: Mapping[str, Any]
    combined: tuple[str, ...] = ()
    ignored: int = 0

    @property
    def place(self) -> str:
        """Where the tensors are, for messages."""
        return (
            ".".join(part for part in (self.entry, self.prefix.rstrip(".")) if part) or "the file"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the names, in words."""
        found = []
        if self.entry:
            found.append(f"took the entry {self.entry}")
        if self.prefix:
            found.append(f"removed the prefix {self.prefix} from {len(self.tensors)} names")
        if self.combined:
            found.append(
                f"made {len(self.combined)} tensors of two each, such as {self.combined[0]}"
            )
        if self.ignored:
            found.append(f"left out {self.ignored} other entries")
        return tuple(found)


def readings(content: Mapping[Any, Any], own: Mapping[str, torch.Tensor]) -> list[Reading]:
    """Every reading in which all of a module's tensors are there, and none that it has not.

    Parameters
    ----------
    content : of the file; tensors, and dictionaries of them
    own : the module's tensors

    Examples
    --------
    >>> own = {"weight": torch.ones(2)}
    >>> content = {"net": {"module.weight": torch.ones(2)}, "epoch": 3}
    >>> [each.place for each in readings(content, own)]
    ['net.module']
    """
    return [each for each in _all(content, own) if _fits(each.tensors, own)]


def nearest(content: Mapping[Any, Any], own: Mapping[str, torch.Tensor]) -> Reading:
    """The reading that lacks least, for the message about what it lacks."""
    found = list(_all(content, own))
    whole = Reading("", "", {str(name): value for name, value in content.items()})
    return min(found, key=lambda each: _lacks(each.tensors, own), default=whole)


def required(own: Mapping[str, torch.Tensor]) -> list[str]:
    """The names that a checkpoint must have; counters of batch norms may be missing."""
    return [name for name in own if not name.endswith(COUNTER)]


def _lacks(tensors: Mapping[str, Any], own: Mapping[str, torch.Tensor]) -> int:
    return sum(name not in tensors for name in required(own)) + len(tensors.keys() - own.keys())


def _fits(tensors: Mapping[str, Any], own: Mapping[str, torch.Tensor]) -> bool:
    return not _lacks(tensors, own) and all(
        isinstance(value, torch.Tensor) and value.shape == own[name].shape
        for name, value in tensors.items()
    )


def _all(content: Mapping[Any, Any], own: Mapping[str, torch.Tensor]) -> Iterator[Reading]:
    for entry, table in _tables(content, "", DEEPEST):
        for prefix in sorted(_prefixes(table, own)):
            yield _reading(entry, table, prefix, own)


def _tables(
    content: Mapping[Any, Any], entry: str, deepest: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dictionary in the file that holds a tensor, with its place."""
    table = {str(name): value for name, value in content.items()}
    if any(isinstance(value, torch.Tensor) for value in table.values()) or not entry:
        yield entry, table
    for name, value in table.items():
        if isinstance(value, Mapping) and deepest:
            yield from _tables(value, f"{entry}.{name}" if entry else name, deepest - 1)


def _prefixes(table: Mapping[str, Any], own: Mapping[str, torch.Tensor]) -> set[str]:
    """What stands in front of the module's first name, wherever it appears."""
    first = next(iter(required(own)), None)
    if first is None:
        return {""}
    stem, _, last = first.rpartition(".")
    spellings = [first]
    for each in PAIRS:
        spellings.append(".".join(part for part in (stem, each.names(last)[0]) if part))
    found = {
        name[: len(name) - len(spelling)]
        for name in table
        for spelling in spellings
        if name == spelling or name.endswith(f".{spelling}")
    }
    return found or {""}


def _reading(
    entry: str, table: Mapping[str, Any], prefix: str, own: Mapping[str, torch.Tensor]
) -> Reading:
    named = {n.removeprefix(prefix): v for n, v in table.items() if n.startswith(prefix)}
    tensors, combined = _combined(named, own)
    counters = {
        name
        for name, value in tensors.items()
        if name not in own
        and (not isinstance(value, torch.Tensor) or name.rpartition(".")[2] in COUNTED)
    }
    kept = {name: value for name, value in tensors.items() if name not in counters}
    beside = len(table) - len(named) + len(counters)
    return Reading(entry, prefix, kept, combined, beside)


@dataclass(frozen=True, slots=True)
class Pair:
    """How a tensor is stored as two; ``{}`` stands for its own name."""

    first: str
    second: str
    is_norm: bool

    def names(self, last: str) -> tuple[str, str]:
        """The two names, of the tensor's own."""
        return self.first.format(last), self.second.format(last)

    def product(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """The tensor."""
        if not self.is_norm:
            return first * second
        axes = tuple(range(1, second.ndim))
        return second * (first / second.square().sum(axes, keepdim=True).sqrt())


PAIRS = (
    Pair("{}_orig", "{}_mask", is_norm=False),  # torch.nn.utils.prune
    Pair("{}_g", "{}_v", is_norm=True),  # torch.nn.utils.weight_norm
    Pair("parametrizations.{}.original0", "parametrizations.{}.original1", is_norm=True),
)


def _combined(
    named: Mapping[str, Any], own: Mapping[str, torch.Tensor]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The tensors, those that are stored as two made one."""
    found, made = dict(named), []
    for name in own:
        stem, _, last = name.rpartition(".")
        for pair in PAIRS:
            first, second = (".".join(p for p in (stem, n) if p) for n in pair.names(last))
            if name in found or first in own or not {first, second} <= found.keys():
                continue
            parts = found.pop(first), found.pop(second)
            if all(isinstance(each, torch.Tensor) for each in parts):
                found[name] = pair.product(*parts)
                made.append(name)
    return found, tuple(made)
