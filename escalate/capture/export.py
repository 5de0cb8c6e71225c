"""capture: a torch module becomes a FloatNetwork, through torch.export."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from io import StringIO
from typing import Any

import torch
from torch import fx, nn

from escalate.capture import operators
from escalate.capture.answer import answer_node
from escalate.capture.aten import Call, Read, State, shape_of
from escalate.capture.decomposed import restore_norms
from escalate.capture.draft import Draft
from escalate.capture.images_first import images_first, take_apart_in_place
from escalate.capture.network import FloatNetwork
from escalate.capture.operators.rearrange import MOVES, RESHAPES
from escalate.capture.realize import realize
from escalate.capture.tensor import Tensor
from escalate.errors import CaptureError

DEQUANTIZE = "escalate::dequantize"
OF_CODES = frozenset(("max_pool2d", DEQUANTIZE, *MOVES, *RESHAPES))  # keep what codes stand for
IDENTITIES = frozenset(
    ("alias", "clone", "contiguous", "detach", "lift_fresh_copy", "positive", "requires_grad")
)
CLASSIFIES = frozenset(
    ("softmax", "_softmax", "log_softmax", "_log_softmax", "argmax", "topk", "sort", "argsort")
)
DROPOUTS = frozenset(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"))
MODULE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a module's own code, run by torch.export, may raise."""


def capture(
    module: nn.Module, example: torch.Tensor, name: str, output: str | None = None
) -> FloatNetwork:
    """Capture a module in evaluation mode; batch norm is folded into the convolutions.

    Supported are the operators that ``escalate/capture/operators`` spells, and those that change
    nothing in evaluation, such as dropout.  Convolutions are named by module path.

    Parameters
    ----------
    module : nn.Module that takes one tensor and returns one, or several in a dict, tuple or list;
        its training flags are left as found
    example : floating point, shape (N, C, H, W); only its shape and type matter
    name : of the network
    output : the name of the tensor that is wanted of several, see ``answer.named``

    Returns
    -------
    FloatNetwork, float32 arrays (folding is done in float64)

    Raises
    ------
    CaptureError
        In one line: the first operator that is not supported, with its module path and node name.

    Examples
    --------
    >>> module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> network = capture(module, torch.ones(1, 1, 5, 5), "net")
    >>> [(node.name, node.op, node.shape, node.relu) for node in network.graph.nodes]
    [('input', 'input', (1, 5, 5), False), ('0', 'conv', (2, 3, 3), True)]
    """
    if example.ndim != 4 or not example.is_floating_point() or 0 in example.shape:
        raise CaptureError(
            f"{name}: the example is {example.dtype} {tuple(example.shape)}, "
            "wanted floating point (N, C, H, W)"
        )
    program = _export(module, example, name)
    answer_node(program, name, output)
    _rebind_in_place(program.graph, name)
    _drop_identities(program.graph, name)
    restore_norms(program.graph)
    take_apart_in_place(program.graph)
    steps = getattr(module, "weight_steps", {})  # of a file that holds integers
    return _walk(program, answer_node(program, name, output), Draft(name, module_steps=steps))


def _export(module: nn.Module, example: torch.Tensor, name: str) -> torch.export.ExportedProgram:
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad(), _quiet(), images_first():
            return torch.export.export(module, (example,))
    except CaptureError:
        raise
    except MODULE_ERRORS as error:
        reason = (str(error).strip().splitlines() or ["no message"])[0]
        raise CaptureError(
            f"{name}: torch.export cannot trace the module: {type(error).__name__}: {reason}"
        ) from error
    finally:
        for part, flag in training.items():
            part.training = flag


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off stderr what torch prints when an export fails, beside the error it raises."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with redirect_stderr(StringIO()), warnings.catch_warnings():
            # It is about the speed of torch's own kernel, which only traces here.
            warnings.filterwarnings("ignore", message="Using padding='same' with even kernel")
            yield
    finally:
        logging.disable(before)


def precision(module: nn.Module) -> torch.dtype:
    """The floating type that a module computes in, that of its first weights.

    Examples
    --------
    >>> precision(nn.Linear(1, 1).double()), precision(nn.ReLU())
    (torch.float64, torch.float32)
    """
    kinds = (each.dtype for each in module.parameters() if each.is_floating_point())
    return next(kinds, torch.float32)


def _operator(node: fx.Node) -> str:
    """ATen name without namespace, overload and in-place underscore; Python's name otherwise."""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.name.removeprefix("aten::").removesuffix("_")
    return getattr(node.target, "__name__", str(node.target))


def _arguments(node: fx.Node) -> dict[str, Any]:
    """The arguments by the schema's names, defaults filled in; empty for non-ATen targets."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return {}
    bound = {}
    for position, argument in enumerate(node.target._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        value = node.args[position] if position < len(node.args) else default
        bound[argument.name] = node.kwargs.get(argument.name, value)
    return bound


def _path(node: fx.Node) -> str:
    """Module path; with the operator's name behind it where the module holds several."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path, kind = stack[-1] if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    path = path.partition("@")[0]
    if path and kind.startswith("torch.nn.modules."):
        return path
    return f"{path}.{_operator(node).rpartition('::')[2]}".removeprefix(".")


def _fail(node: fx.Node, name: str, problem: str) -> CaptureError:
    return CaptureError(f"{name}: {_operator(node)} at {_path(node)} (node {node.name}): {problem}")


def _rebind_in_place(graph: fx.Graph, name: str) -> None:
    """Make in-place operators plain: later readers of the changed tensor read the result.

    A tensor that shares memory with the changed one (a slice of it, say) and is read later is
    refused: its values change too, which a graph of plain operators cannot say.
    """
    nodes = list(graph.nodes)
    place = {node: position for position, node in enumerate(nodes)}
    owner = {node: node for node in nodes}
    for node in nodes:
        for value, is_written in _aliases(node):
            owner[node] = owner[value]
            if not is_written:
                continue
            for reader in nodes[place[node] + 1 :]:
                reader.replace_input_with(value, node)
            for other in nodes[: place[node]]:
                if owner[other] is owner[value] and any(
                    place[reader] > place[node] for reader in other.users
                ):
                    raise _fail(node, name, f"changes {other.name} in place, which is read later")


def _aliases(node: fx.Node) -> list[tuple[fx.Node, bool]]:
    """The operands whose memory the result may share, and whether the operator writes there."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return []
    found = []
    for argument, value in zip(node.target._schema.arguments, node.args, strict=False):
        shares = argument.alias_info is not None or _operator(node) in DROPOUTS
        if shares and isinstance(value, fx.Node):
            found.append((value, bool(argument.alias_info and argument.alias_info.is_write)))
    return found


def _drop_identities(graph: fx.Graph, name: str) -> None:
    """Let readers of operators that change nothing read the operand instead."""
    for node in list(graph.nodes):
        if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
            continue
        operator, source = _operator(node), node.args[0]
        if operator in DROPOUTS and _arguments(node)["train"]:
            raise _fail(node, name, "drops values in evaluation mode")
        if operator in IDENTITIES | DROPOUTS or (
            operator in ("to", "_to_copy") and _same_type(node, source)
        ):
            node.replace_all_uses_with(source)


def _same_type(node: fx.Node, source: fx.Node) -> bool:
    before, after = source.meta["val"], node.meta["val"]
    return bool(before.dtype == after.dtype and before.device == after.device)


def _state(program: torch.export.ExportedProgram) -> State:
    """Per placeholder of a parameter, buffer or constant: its name in the module, its tensor."""
    signature = program.graph_signature
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    tensors = {**program.constants, **program.state_dict}
    return {placeholder: (target, tensors[target]) for placeholder, target in names.items()}


def _live(output: fx.Node) -> frozenset[fx.Node]:
    """The nodes that ``output`` is computed from, itself included."""
    live: set[fx.Node] = set()
    waiting = [output]
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting.extend(node.all_input_nodes)
    return frozenset(live)


def _walk(program: torch.export.ExportedProgram, result: fx.Node, draft: Draft) -> FloatNetwork:
    name, state = draft.name, _state(program)
    values: dict[fx.Node, Read] = {}
    constants: dict[fx.Node, torch.Tensor] = {}
    (user_input,) = program.graph_signature.user_inputs
    result = _without_classes(result, draft)
    live = _live(result)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name == user_input:
            _, c, h, w = shape_of(node)
            values[node] = Tensor(draft.add("input", "input", (), (c, h, w)), (c, h, w))
        elif node.op == "placeholder" and node.name in state:
            constants[node] = state[node.name][1]
        elif node.op == "call_function" and node in live:
            if all(operand in constants for operand in node.all_input_nodes):
                constants[node] = _computed(node, constants, name)
            else:
                values[node] = _read(node, draft, values, constants, state)
    answer = values.get(result)
    if not isinstance(answer, Tensor):
        raise CaptureError(f"{name}: the module returns no tensor computed from its input")
    if answer.codes is not None:
        raise CaptureError(f"{name}: the output is codes, wanted a DequantizeLinear behind them")
    try:
        output = realize(draft, answer, "output")
    except CaptureError as error:
        raise CaptureError(f"{name}: the output: {error}") from error
    return draft.finish(output)


def _read(
    node: fx.Node,
    draft: Draft,
    values: Mapping[fx.Node, Read],
    constants: Mapping[fx.Node, torch.Tensor],
    state: State,
) -> Read:
    """What an operator's tensor stands for; nodes that make it are added to the draft."""
    operator = _operator(node)
    if operator == "getitem":
        parts, place = values[node.args[0]], node.args[1]  # type: ignore[index]
        assert isinstance(parts, list)
        assert isinstance(place, int)
        if not 0 <= place < len(parts):
            raise _fail(node, draft.name, "reads the places of maxima, which are not computed")
        return parts[place]
    if operator not in operators.aten():
        raise _fail(node, draft.name, "not a supported operator")
    call = Call(node, operator, _path(node), _arguments(node), draft, values, constants, state)
    read = [each for each in map(call.tensor, node.all_input_nodes) if each is not None]
    codes = next((each.codes for each in read if each.codes is not None), None)
    if codes is not None and operator not in OF_CODES:
        call.fail("reads codes of a quantized file, wanted a DequantizeLinear in front")
    found = operators.aten()[operator].read(call)
    several = found if isinstance(found, list) else [found]
    made = [Tensor(each, shape_of(node)[1:]) if isinstance(each, str) else each for each in several]
    if codes is not None and operator != DEQUANTIZE:
        made = [replace(each, codes=codes) for each in made]
    named = [replace(each, path=call.path) for each in made]
    return named if isinstance(found, list) else named[0]


def _computed(node: fx.Node, constants: Mapping[fx.Node, torch.Tensor], name: str) -> torch.Tensor:
    """A tensor that depends on no image."""
    arguments, keywords = fx.node.map_arg((node.args, node.kwargs), lambda each: constants[each])
    try:
        with torch.no_grad():
            found = node.target(*arguments, **keywords)  # type: ignore[operator]
    except MODULE_ERRORS as error:
        raise _fail(node, name, (str(error).splitlines() or ["no message"])[0]) from error
    return found


def _without_classes(result: fx.Node, draft: Draft) -> fx.Node:
    """The tensor in front of what only turns a classifier's numbers into shares or an index."""
    last = result
    while _operator(last) in (*CLASSIFIES, *RESHAPES, "getitem"):
        reader, last = last, last.all_input_nodes[0]
        if _operator(reader) == "getitem" and _operator(last) not in CLASSIFIES:
            break
        if _operator(reader) in CLASSIFIES:
            draft.notes += (f"{_operator(reader)} at the end is left out",)
            draft.left_out = True
            result = last
    return result
