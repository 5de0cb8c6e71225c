"""Do all commands that read a network's own file take its open sizes and one of its outputs?"""

import json

import pytest

from tests.escalate.capture.test_onnx_module import pictures
from tests.escalate.capture.test_reading import MACS, headed

SYSTOLIC = ("--machine", "systolic")


@pytest.fixture
def words(tmp_path):
    path, first, _ = headed(tmp_path / "net.onnx")
    return [path, "--input", "3x12x20", "--output", first]


@pytest.mark.parametrize(
    "command",
    [
        ("simulate", *SYSTOLIC),
        ("compare", "--machines", "systolic"),
        ("networks", "show"),
        ("assumptions", *SYSTOLIC),
    ],
)
def test_commands_that_need_shapes(escalate, words, command):
    code, out, _ = escalate(*command, *words, "--format", "json")
    assert code == 0
    known = "assumptions" in command  # which tells no MACs
    assert known or str(MACS[0]) in out or str(sum(MACS)) in out or '"H": 12' in out
    code, _, err = escalate(*command, *words[:1], *words[3:])
    assert code == 2
    assert err.count("\n") == 1
    assert "leaves H, W of its input open, wanted --input CxHxW" in err
    code, _, err = escalate(*command, *words[:3])
    assert (code, err.count("\n")) == (2, 1)
    assert "returns 2 tensors, wanted one: --output v5 or v6" in err


def test_trace(escalate, words, tmp_path):
    out = tmp_path / "layer.json"
    code, _, _ = escalate("trace", *words, *SYSTOLIC, "--layer", "conv_0", "--out", out)
    assert code == 0
    assert out.stat().st_size


def test_a_file_classifies_images_in_8_bits(escalate, words, tmp_path):
    images = pictures(tmp_path / "images", (30, 25))
    more = ("--images", images, "--count", 3, *SYSTOLIC, "--format", "json")
    code, out, _ = escalate("simulate", *words, *more)
    assert code == 0
    found = json.loads(out)
    assert found["totals"]["macs"] == 3 * sum(MACS)
    assert "softmax at the end is left out" in found["source"]["notes"]
    assert "fed the int8 model" in found["source"]["notes"]


def test_commands_that_compress(escalate, words, tmp_path):
    images = pictures(tmp_path / "images", (30, 25))
    data = ("--data", images, "--format", "json")
    code, out, _ = escalate("sensitivity", *words, *data, "--images", 4)
    assert (code, len(json.loads(out)["rows"]) > 2) == (0, True)
    folder = tmp_path / "pareto"
    code, _, _ = escalate(
        "pareto",
        *words,
        *data,
        "--ratios",
        1.2,
        "--methods",
        "prune",
        "--epochs",
        0,
        "--out",
        folder,
    )
    assert code == 0
