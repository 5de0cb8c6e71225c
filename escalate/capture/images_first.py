"""images_first: attention as it is exported: images on the first axis throughout.

``nn.MultiheadAttention`` joins images and heads on one axis, which no graph of single images has.
While a module is exported, it computes the same with images first.  Others bring queries, keys and
values in front of the images before they take them apart; they are taken apart where they stand.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from escalate.capture.decomposed import aten_name
from escalate.errors import CaptureError

SPLITS = ("chunk", "split", "split_with_sizes")


@contextmanager
def images_first() -> Iterator[None]:
    """Export attention of torch's own modules, layers of transformers among them, in that form."""
    before, fast = nn.MultiheadAttention.forward, torch.backends.mha.get_fastpath_enabled()
    nn.MultiheadAttention.forward = _forward  # type: ignore[method-assign]
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        nn.MultiheadAttention.forward = before  # type: ignore[method-assign]
        torch.backends.mha.set_fastpath_enabled(fast)


def take_apart_in_place(graph: fx.Graph) -> None:
    """Let images stay first where an axis is put before them only to be taken apart."""
    for node in graph.nodes:
        if aten_name(node) != "permute" or len(node.args) < 2:
            continue
        source, order = node.args[0], [axis % len(node.args[1]) for axis in node.args[1]]
        parts = list(node.users)
        if order[1:2] != [0] or not all(_takes_first(part) for part in parts):
            continue
        node.args = (source, [order[1], order[0], *order[2:]])
        node.meta["val"] = node.meta["val"].transpose(0, 1)
        for part in parts:
            _take_second(part)


def _takes_first(node: fx.Node) -> bool:
    """Whether an operator takes the first axis apart, and nothing of it is left."""
    if node.kwargs:
        return False
    if aten_name(node) in SPLITS:
        axis: Any = node.args[2] if len(node.args) > 2 else 0
        squeezed = [last for part in node.users for last in part.users]
        return bool(axis == 0) and all(
            aten_name(each) == "squeeze" and each.args[1:] in ((0,), ([0],)) for each in squeezed
        )
    axis = node.args[1] if len(node.args) > 1 else 0
    return aten_name(node) in ("unbind", "select") and bool(axis == 0)


def _take_second(node: fx.Node) -> None:
    """Let that operator take the second axis apart instead."""
    if aten_name(node) not in SPLITS:
        node.args = (node.args[0], 1, *node.args[2:])
        return
    node.args = (*node.args[:2], 1)
    for part in list(node.users):
        part.meta["val"] = part.meta["val"].transpose(0, 1)
        for last in list(part.users):
            last.args = (part, 1)


def _forward(
    self: nn.MultiheadAttention,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    key_padding_mask: torch.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: torch.Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the module computes of tensors (N, T, E), without masks."""
    if not self.batch_first or query.ndim != 3:
        raise CaptureError("MultiheadAttention: wanted batch_first = True and tensors (N, T, E)")
    if key_padding_mask is not None or attn_mask is not None or is_causal:
        raise CaptureError("MultiheadAttention: with a mask, wanted one that sees all")
    if self.bias_k is not None or self.add_zero_attn:
        raise CaptureError("MultiheadAttention: adds keys of its own, wanted none")
    heads = [
        each.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        for each in _projected(self, query, key, value)
    ]
    mixed = functional.scaled_dot_product_attention(*heads)
    answer = self.out_proj(mixed.transpose(1, 2).flatten(2))
    shares = (heads[0] @ heads[1].transpose(2, 3) / self.head_dim**0.5).softmax(-1)
    return answer, shares.mean(1) if average_attn_weights else shares


def _projected(
    self: nn.MultiheadAttention, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> Any:
    """Queries, keys and values; those of one tensor by one linear layer."""
    if self.in_proj_weight is not None and query is key is value:
        return functional.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, 2)
    if self.in_proj_weight is not None:
        weights = self.in_proj_weight.chunk(3)
    else:
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
    biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
    read = zip((query, key, value), weights, biases, strict=True)
    return [functional.linear(*each) for each in read]
