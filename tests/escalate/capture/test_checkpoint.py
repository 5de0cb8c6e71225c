"""Does a checkpoint reach the module unchanged, and is every bad file named in one line?"""

import io
import pickle
import random

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from escalate.capture.checkpoint import load_checkpoint
from escalate.errors import CheckpointError


def network(seed=0):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    nn.init.uniform_(module[1].running_mean)
    return module


def assert_loaded(module, wanted):
    for name, value in wanted.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def refused(path, message, module=None):
    """The file is refused with that message in one line, and the module stays as it was."""
    module = module or network(1)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(module, path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    for name, value in before.items():
        assert torch.equal(module.state_dict()[name], value), name


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_files(tmp_path, legacy):
    path = tmp_path / "net.th"
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=not legacy)
    module = network(1)
    assert load_checkpoint(module, path) == ()
    assert_loaded(module, network())


def test_safetensors_files(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(network().state_dict(), path)
    module = network(1)
    assert load_checkpoint(module, str(path)) == ()
    assert_loaded(module, network())


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_wrapped_and_prefixed_names_are_noted(tmp_path, wrapper):
    state = {f"module.{name}": value for name, value in network().state_dict().items()}
    torch.save({wrapper: state, "epoch": 7, "best": 0.5}, tmp_path / "net.pt")
    module = network(1)
    assert load_checkpoint(module, tmp_path / "net.pt") == (
        f"took the entry {wrapper}",
        "removed the prefix module. from 9 names",
    )
    assert_loaded(module, network())


def under(prefix):
    return {f"{prefix}{name}": value for name, value in network().state_dict().items()}


AROUND = {
    "an entry": ({"net": under(""), "epoch": 1}, ("took the entry net",)),
    "lightning": (
        {"state_dict": under("model."), "epoch": 1},
        ("took the entry state_dict", "removed the prefix model. from 9 names"),
    ),
    "compiled": (under("_orig_mod."), ("removed the prefix _orig_mod. from 9 names",)),
    "both": (under("module._orig_mod."), ("removed the prefix module._orig_mod. from 9 names",)),
    "beside": (
        {**under("module."), "epoch": 1},
        ("removed the prefix module. from 9 names", "left out 1 other entries"),
    ),
    "a profiler": (
        {**under(""), "total_ops": torch.zeros(1), "0.total_params": torch.zeros(1)},
        ("left out 2 other entries",),
    ),
    "nested": ({"model": {"state_dict": under("")}}, ("took the entry model.state_dict",)),
}


@pytest.mark.parametrize("case", AROUND)
def test_tensors_are_found_whatever_is_around_them(tmp_path, case):
    content, notes = AROUND[case]
    torch.save(content, tmp_path / "net.pt")
    module = network(1)
    assert load_checkpoint(module, tmp_path / "net.pt") == notes
    assert_loaded(module, network())


def test_two_readings_that_fit_are_named(tmp_path):
    torch.save({"model": under(""), "ema": under("module.")}, tmp_path / "net.pt")
    refused(tmp_path / "net.pt", r"model and ema\.module all fit the network: save the one")


@pytest.mark.parametrize(
    "split",
    [
        lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
        lambda layer: parametrizations.weight_norm(layer),
    ],
)
def test_tensors_that_are_stored_as_two_are_made_one(tmp_path, split):
    module = network()
    split(module[0])
    torch.save(module.state_dict(), tmp_path / "net.pt")
    plain = network(1)
    (note,) = load_checkpoint(plain, tmp_path / "net.pt")
    assert note == "made 1 tensors of two each, such as 0.weight"
    module.eval()
    module(torch.ones(1, 2, 3, 3))
    torch.testing.assert_close(plain[0].weight, module[0].weight)


def test_a_module_with_a_part_called_module_keeps_its_names(tmp_path):
    torch.save(nn.DataParallel(network()).state_dict(), tmp_path / "net.pt")
    module = nn.DataParallel(network(1))
    assert load_checkpoint(module, tmp_path / "net.pt") == ()
    assert_loaded(module, nn.DataParallel(network()))


def test_batch_counters_may_be_missing(tmp_path):
    state = network().state_dict()
    del state["1.num_batches_tracked"]
    torch.save(state, tmp_path / "net.pt")
    module = network(1)
    load_checkpoint(module, tmp_path / "net.pt")
    assert_loaded(module, network())


def test_half_precision_is_widened(tmp_path):
    torch.save(network().half().state_dict(), tmp_path / "net.pt")
    module = network(1)
    load_checkpoint(module, tmp_path / "net.pt")
    assert module[0].weight.dtype == torch.float32
    assert torch.equal(module[0].weight, network().half().float()[0].weight)


def test_missing_files_are_named(tmp_path):
    refused(tmp_path / "net.pt", "no such file")
    refused(tmp_path, "is a folder, wanted a file")


def put(name, place, value):
    def apply(state):
        state[name] = state[name].clone()
        state[name][place] = value

    return apply


BAD_STATES = {
    "missing": (lambda s: s.pop("0.bias"), r"net\.pt: lacks 0\.bias$"),
    "many missing": (
        lambda s: [s.pop(name) for name in list(s)[:5]],
        r"lacks 0\.weight, 0\.bias, 1\.weight and 2 more$",
    ),
    "unknown": (
        lambda s: s.update(extra=torch.ones(1)),
        "holds extra, which the network does not have",
    ),
    "renamed": (
        lambda s: s.update(bias=s.pop("0.bias")),
        r"lacks 0\.bias; holds bias, which the network does not have",
    ),
    "shape": (
        lambda s: s.update({"0.weight": torch.ones(3, 2, 5, 5)}),
        r"0\.weight has shape \(3, 2, 5, 5\), the network has \(3, 2, 3, 3\)",
    ),
    "type": (
        lambda s: s.update({"0.bias": torch.ones(3, dtype=torch.int8)}),
        r"0\.bias is torch.int8, the network has torch.float32",
    ),
    "complex": (
        lambda s: s.update({"1.num_batches_tracked": torch.tensor(1j)}),
        r"1\.num_batches_tracked is torch.complex64, the network has torch.int64",
    ),
    "no tensor": (lambda s: s.update({"0.bias": [1.0]}), r"0\.bias is a list, wanted a dense tens"),
    "sparse": (
        lambda s: s.update({"0.bias": torch.ones(3).to_sparse()}),
        r"0\.bias is a torch.sparse_coo, wanted a dense tensor",
    ),
    "nan": (put("0.weight", (1, 0, 2, 1), torch.nan), r"0\.weight at \[1, 0, 2, 1\] is nan"),
    "infinite": (put("3.bias", 1, -torch.inf), r"3\.bias at \[1\] is -inf"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_bad_tensors_are_named(tmp_path, case):
    change, message = BAD_STATES[case]
    state = dict(network().state_dict())
    change(state)
    torch.save(state, tmp_path / "net.pt")
    refused(tmp_path / "net.pt", message)


def test_something_else_than_a_dictionary_is_named(tmp_path):
    torch.save([torch.ones(1)], tmp_path / "net.pt")
    refused(tmp_path / "net.pt", "holds a list, wanted a dictionary of tensors")


def test_code_in_a_pickle_is_refused(tmp_path):
    torch.save(network(), tmp_path / "net.pt")
    refused(tmp_path / "net.pt", r"needs code to be read \(torch\.nn\.[\w.]+Sequential\), which is")


class Bomb:
    """Would make a file if its pickle were run."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (self.target, "w"))


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_is_not_run(tmp_path, protocol):
    (tmp_path / "net.pt").write_bytes(pickle.dumps(Bomb(str(tmp_path / "made")), protocol))
    refused(tmp_path / "net.pt", "needs code to be read|is torn, or no torch file")
    torch.save({"a": Bomb(str(tmp_path / "made"))}, tmp_path / "net.pt", pickle_protocol=protocol)
    refused(tmp_path / "net.pt", "needs code to be read|is torn, or no torch file")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"hello world", b"PK\x03\x04rubbish"])
def test_foreign_files_are_named(tmp_path, content):
    (tmp_path / "net.pt").write_bytes(content)
    refused(tmp_path / "net.pt", "is torn, or no torch file")
    (tmp_path / "net.safetensors").write_bytes(content)
    refused(tmp_path / "net.safetensors", "is no whole safetensors file")


def test_truncated_safetensors_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, "is no whole safetensors file")


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_or_altered_torch_files_never_give_a_traceback(tmp_path, legacy):
    stream = io.BytesIO()
    torch.save(network().state_dict(), stream, _use_new_zipfile_serialization=not legacy)
    whole, chance, path = stream.getvalue(), random.Random(5), tmp_path / "net.pt"
    for _ in range(40):
        path.write_bytes(whole[: chance.randrange(len(whole))])
        refused(path, "is torn, or no torch file|needs code to be read")
    refusals = []
    for _ in range(100):
        altered = bytearray(whole)
        altered[chance.randrange(len(whole))] = chance.randrange(256)
        path.write_bytes(altered)
        try:
            load_checkpoint(network(1), path)
        except CheckpointError as error:
            refusals.append(str(error))
    assert refusals
    assert not [message for message in refusals if "\n" in message]
