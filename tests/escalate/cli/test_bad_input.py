"""Is every kind of bad input one line on stderr and exit code 2?"""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from escalate.app.demo_network import demo_network


@pytest.fixture
def refused(escalate):
    """The one line that a command is refused with."""

    def run(*arguments):
        code, out, err = escalate(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        return err

    return run


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "conv.npz"
    np.savez(path, activations=np.ones((2, 4, 4), int), weights=np.ones((3, 2, 3, 3), int))
    return path


def test_missing_sources(refused, tmp_path):
    assert "no such network, folder or file" in refused("simulate", tmp_path / "gone")
    assert "no such file" in refused("simulate", tmp_path / "gone.npz")
    assert "gone.csv" in refused("simulate", tmp_path / "gone.csv", "--machine", "systolic")
    assert "a folder without manifest.json.gz" in refused("compare", tmp_path)
    assert "abacus: no such network, folder or file, wanted" in refused(
        "networks", "show", "abacus"
    )
    assert "wanted a folder of results" in refused("report", tmp_path)


@pytest.mark.parametrize(
    "command",
    [("encode", "FILE", "--bytes", 900, "--out", "x.vbq"), ("decode", "FILE"),
     ("simulate", "FILE"), ("networks", "show", "FILE"),
     ("compress", "digits_cnn", "--checkpoint", "FILE", "--out", "x")],
)  # fmt: skip
def test_what_is_no_regular_file_is_called_that(refused, command):
    for path in ("/dev/zero", "/dev/null"):
        words = [path if word == "FILE" else word for word in command]
        assert f"{path}: is no regular file" in refused(*words)


def test_a_file_of_another_kind_is_not_missing(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    assert "notes.txt: is a file of no kind that is read" in refused(
        "simulate", tmp_path / "notes.txt"
    )
    assert "notes.txt: no such folder, wanted one that" in refused("verify", tmp_path / "notes.txt")


def test_machines_fields_and_values(refused, own, tmp_path):
    assert "unknown machine 'abacus'" in refused("simulate", own, "--machine", "abacus")
    assert "unknown machine 'abacus'" in refused("machines", "show", "abacus")
    assert "unknown preset 'big'" in refused("simulate", own, "--preset", "big")
    assert "unknown field 'colour'" in refused("simulate", own, "--set", "colour=3")
    assert "pe_blocks = 0: wanted a whole number" in refused(
        "simulate", own, "--set", "pe_blocks=0"
    )
    assert "names none of the machines" in refused("compare", own, "--baseline", "scnn")
    path = tmp_path / "mine.toml"
    path.write_text('machine = "basis_first"\npe_blocks = "many"\n')
    assert "mine.toml: pe_blocks = 'many'" in refused("simulate", own, "--machine", path)


def test_layers_that_a_machine_refuses(refused, own):
    small = refused("simulate", own, "--set", "psum_buffer_bytes=1")
    assert "conv: " in small
    shapes = refused("simulate", "digits_cnn")
    assert "digits_cnn: basis_first needs tensors, not only shapes" in shapes
    recipe = refused("simulate", "digits_cnn", "--synthetic", "coefficients=0.1")
    assert "needs the density of its activations" in recipe


def test_malformed_tensors(refused, tmp_path):
    path = tmp_path / "conv.npz"
    np.savez(path, activations=np.ones((2, 4, 4)), weights=np.ones((3, 2, 3, 3), int))
    assert f"{path}: conv: activations is float64" in refused("simulate", path)
    path.write_bytes(b"no archive")
    assert f"{path}: not a readable .npz file" in refused("simulate", path)
    coefficients = np.ones((3, 2, 10), int)
    np.savez(
        path,
        activations=np.ones((2, 4, 4), int),
        basis=np.ones((10, 3, 3), int),
        coefficients=coefficients,
    )
    assert "basis holds M = 10 kernels, wanted 1..9" in refused("simulate", path)


def test_malformed_topologies(refused, tmp_path):
    path = tmp_path / "net.csv"
    for text in ("", "nothing\n1\n", "Layer, M, N, K,\nfc, 1, two, 3,\n"):
        path.write_text(text)
        assert f"error: {path}: " in refused("simulate", path, "--machine", "systolic")


def test_torn_models(refused, compressed, tmp_path):
    for name in ("manifest.json.gz", "model.safetensors"):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("manifest.json.gz", "model.safetensors", "provenance.json"):
            content = (compressed / file).read_bytes()
            if file == name:
                content = content[: len(content) // 2]
            (folder / file).write_bytes(content)
        assert name in refused("simulate", folder)


def test_images(refused, compressed, tmp_path):
    assert "holds no image" in refused("simulate", compressed, "--images", tmp_path)
    assert "no such folder" in refused("simulate", compressed, "--images", tmp_path / "gone")
    assert "holds no CIFAR-10" in refused("simulate", compressed, "--images", f"cifar10:{tmp_path}")
    assert "holds 359 images, 400 were" in refused("simulate", compressed, "--count", 400)


def test_pruning_and_published_densities(refused, compressed, tmp_path):
    prune = ("compress", "digits_cnn", "--out", tmp_path / "out", "--method", "prune")
    assert "basis has no meaning for method prune" in refused(*prune, "--basis", 3)
    assert "smallest density makes" in refused(*prune, "--ratio", 900)
    assert "--density 1.5: wanted a number above 0, to 1" in refused(*prune, "--density", 1.5)
    assert "--scope filter: wanted 'global' or 'layer'" in refused(*prune, "--scope", "filter")
    assert "scope has no meaning for method escalate" in refused(*prune[:-2], "--scope", "layer")
    config = tmp_path / "mine.toml"
    config.write_text("[density]\nghost = 0.2\n")
    assert "ghost: the density table names it, but" in refused(*prune, "--config", config)
    twice = refused("compare", compressed, compressed)
    assert f"{compressed} (compressed): wanted one folder of method escalate" in twice
    seeded = ("simulate", "resnet18", "--machine", "systolic", "--synthetic")
    assert "resnet18: densities 'han' are published of alexnet" in refused(*seeded, "weights=han")
    assert "'weights=hahn': wanted coefficients=D" in refused(*seeded, "weights=hahn")


def test_clustering(refused, tmp_path):
    start = ("compress", "digits_cnn", "--out", tmp_path / "out", "--limit", 16)
    clustered = (*start, "--method", "rate_distortion")
    assert "--clusters 1: wanted a whole number 2 to 255" in refused(*clustered, "--clusters", 1)
    assert "--objective mine: wanted 'b" in refused(*clustered, "--objective", "mine")
    assert "epochs has no meaning for method rate" in refused(*clustered, "--epochs", 2)
    assert "clusters has no meaning for method escalate" in refused(*start, "--clusters", 4)
    assert "smallest density of two clusters makes" in refused(*clustered, "--ratio", 500)


def test_groups_levels_and_rates(refused, tmp_path):
    start = ("compress", "digits_cnn", "--out", tmp_path / "out", "--limit", 16, "--method")
    wpc = (*start, "wpc", "--epochs", 0)
    assert "--set clip: wanted FIELD=VALUE, each field once, of method" in refused(
        *wpc, "--set", "clip"
    )
    assert "--set ghost=1: wanted FIELD=VALUE" in refused(*wpc, "--set", "ghost=1")
    assert "--clip 0: wanted a number above 0, to 1e6" in refused(*wpc, "--set", "clip=0")
    assert "--group [16]: wanted 2 values, each a whole number 1 to 65536" in refused(
        *wpc, "--set", "group=[16]"
    )
    assert "--clip 1_0: wanted a number" in refused(*wpc, "--set", "clip=1_0")
    assert "--clip True: wanted a number" in refused(*wpc, "--set", "clip=true")
    assert "--set clip=2: wanted FIELD=VALUE, each field once" in refused(
        *wpc, "--set", "clip=1", "--set", "clip=2"
    )
    words = refused(*wpc, "--set", "group=[5, 1]")
    assert "groups of 5 input channels do not divide its 32; wanted a divisor, or" in words
    assert "rho has no meaning for method wpc" in refused(*wpc, "--set", "rho=1.0")
    assert "budget: the model in training takes" in refused(*wpc, "--ratio", 9000)


def test_levels_on_crossbars(refused, tmp_path):
    config = tmp_path / "mine.toml"

    def line(text, *more):
        config.write_text(f'method = "admm"\n{text}\n')
        out = ("--out", tmp_path / "out", "--limit", 16)
        return refused("compress", "digits_cnn", *out, "--config", config, *more)

    structure = line('structure = "filters"')
    assert "--structure filters: wanted 'rows', 'columns' or 'tiles'" in structure
    assert "--level_bits 1: wanted a whole number 2 to 7" in line("level_bits = 1")
    assert "--level_bits 8: wanted a whole number 2 to 7" in line("level_bits = 8")
    assert "--tile [0, 64]: wanted 2 values, each a whole number 1 to" in line("tile = [0, 64]")
    assert "--tile [64]: wanted 2 values" in line("tile = [64]")
    assert "--rho 0.0: wanted a number above 0" in line("rho = 0.0")
    assert "--density 0.0: wanted a number above 0" in line("density = 0.0")
    assert "ratio and density are both given" in line("density = 0.5", "--ratio", 10)
    assert "smallest density makes" in line("epochs = 0", "--ratio", 900)
    assert "basis has no meaning for method admm" in line("", "--basis", 3)
    assert "ghost: the density table names it" in line("[density]\nghost = 0.2")
    assert not (tmp_path / "out").exists()


class Boom:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def checkpoints(folder):
    """Files that are no checkpoint of the digits network, and what is said about them."""
    state = demo_network(0).state_dict()
    save_file(state, folder / "whole.safetensors")
    torn = (folder / "whole.safetensors").read_bytes()[:-1000]
    (folder / "torn.safetensors").write_bytes(torn)
    save_file({**state, "classifier.bias": torch.zeros(11)}, folder / "shape.safetensors")
    weight = state["stem.0.weight"].clone()
    weight[0, 0, 1, 1] = float("nan")
    save_file({**state, "stem.0.weight": weight}, folder / "nan.safetensors")
    with (folder / "code.pt").open("wb") as file:
        pickle.dump({"state_dict": Boom()}, file)
    torch.save({"state_dict": {**state, "more": Boom()}}, folder / "code2.pt")
    return {
        "torn.safetensors": "is no whole safetensors file",
        "shape.safetensors": "classifier.bias has shape (11,), the network has (10,)",
        "nan.safetensors": "stem.0.weight at [0, 0, 1, 1] is nan",
        "code.pt": "code",
        "code2.pt": "needs code to be read",
        "gone.pt": "no such file",
    }


def test_checkpoints(refused, tmp_path):
    for name, message in checkpoints(tmp_path).items():
        path, out = tmp_path / name, tmp_path / "out"
        line = refused("compress", "digits_cnn", "--checkpoint", path, "--out", out)
        assert f"{path}: " in line
        assert message in line
        assert not out.exists()


NETWORKS = """
import torch
from torch import nn

class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, images):
        return torch.cumsum(self.conv(images), 1)

def wave():
    return Wave()

def fails():
    raise KeyError("weights")
"""


def test_networks(refused, tmp_path):
    path, out = tmp_path / "nets.py", tmp_path / "out"
    path.write_text(NETWORKS)
    arguments = ("--out", out, "--epochs", 0, "--limit", 16)
    assert "cumsum" in refused("compress", f"{path}:wave", *arguments)
    assert "KeyError: 'weights'" in refused("compress", f"{path}:fails", *arguments)
    assert "defines no function 'gone'" in refused("compress", f"{path}:gone", *arguments)
    assert "no such network" in refused("compress", "abacus", *arguments)
    assert not out.exists()


def test_compression_options(refused, tmp_path):
    def line(*options):
        return refused("compress", "digits_cnn", "--out", tmp_path / "out", *options)

    assert "--basis 0: wanted a whole number 1 to 65536" in line("--basis", 0)
    assert "M is 10, wanted 1..9" in line("--basis", 10, "--limit", 16)
    assert "--density 0.0: wanted a number above 0" in line("--density", 0)
    assert "--method zip: wanted 'escalate', '" in line("--method", "zip")
    assert "both given" in line("--density", 0.1, "--threshold", 0.1)
    assert "holds no image" in line("--data", tmp_path)


def test_folders_that_are_not_ours(refused, compressed, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    message = "holds 'thesis.tex', which we did not write"
    assert message in refused("simulate", compressed, "--out", tmp_path)
    assert message in refused("demo", "--out", tmp_path)
    assert message in refused("compress", "digits_cnn", "--out", tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_comparisons_of_methods(refused, tmp_path):
    run = ("pareto", "digits_cnn", "--out", tmp_path / "out")
    assert "abacus: no such method, wanted one of escalate" in refused(*run, "--methods", "abacus")
    assert "wants a machine with a basis" in refused(*run, "--machines", "systolic,scnn")
    assert "unknown machine 'abacus'" in refused(*run, "--machines", "abacus")
    assert "wanted numbers with commas" in refused(*run, "--ratios", "many")
    config = tmp_path / "all.toml"
    config.write_text("[prune]\nbasis = 3\n")
    told = refused(*run, "--methods", "prune", "--config", config)
    assert "basis has no meaning for method prune" in told
    assert not (tmp_path / "out").exists()
