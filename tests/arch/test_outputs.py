"""What a layer leaves in memory."""

import numpy as np
import pytest

from arch.outputs import stored_output
from workloads.layer import ConvLayer
from workloads.requantize import Requantizer
from workloads.tensors import LayerTensors

FC = ConvLayer("fc", C=1, K=3, H=1, W=1)
ONE = LayerTensors(FC, np.ones((1, 1, 1, 1), np.uint8), np.ones((3, 1, 1, 1), np.int8))


@pytest.mark.parametrize(
    ("psums", "stored", "shift"),
    [
        ((255, -1, 7), [255, 0, 7], 0),
        ((256, -9, 7), [128, 0, 3], 1),
        ((1 << 30, 1 << 22, (1 << 22) - 1), [128, 0, 0], 23),
        ((-5, -6, 0), [0, 0, 0], 0),
    ],
)
def test_without_a_requantizer_a_relu_and_a_shift_bring_outputs_to_8_bits(psums, stored, shift):
    values, found = stored_output(ONE, np.array(psums, np.int32).reshape(1, 3, 1, 1))
    assert (values.ravel().tolist(), found, values.dtype) == (stored, shift, np.uint8)


def test_a_requantizer_is_applied_and_no_shift_is_told():
    halves = Requantizer(np.full(3, 1, np.int32), np.zeros(3, np.int32), 1, 0, 255)
    tensors = LayerTensors(FC, ONE.activations, ONE.weights, requantizer=halves)
    psums = np.array([600, 8, -8], np.int32).reshape(1, 3, 1, 1)
    values, found = stored_output(tensors, psums)
    assert (values.ravel().tolist(), found) == ([255, 4, 0], None)
