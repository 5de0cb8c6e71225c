"""Does the fast machine do what the slow one does?  Psums, passes and every count, exactly."""

import numpy as np
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from arch.errors import OperandError
from arch.eyeriss_v2.iacts import iacts
from arch.eyeriss_v2.model import MACHINE, work
from arch.eyeriss_v2.plan import plan
from arch.eyeriss_v2.tally import sent_words, times
from arch.eyeriss_v2.worked import Worked
from arch.machine import Kept
from arch.outputs import stored_output
from arch.pairs import tap_counts
from arch.parts import price_of
from tests.arch.eyeriss_v2.cases import specs, tensors
from tests.reference.eyeriss_v2 import events, run_layer, traffic
from workloads.convolve import convolve


def check(given_tensors, spec):
    layer, weights = given_tensors.layer, given_tensors.dense_weights()
    psums = convolve(given_tensors)
    output, _ = stored_output(given_tensors, psums.astype(np.int32))
    worked = Worked(given_tensors, weights, output, spec)
    planned = plan(worked, tap_counts(layer, given_tensors.activations))
    mapping = planned.mapping
    slow = run_layer(layer, given_tensors.activations, weights, output, mapping, spec)
    fast = work(given_tensors, planned, weights, output, spec, Kept())
    assert np.array_equal(slow.psums, psums)

    counted = iacts(mapping, given_tensors.activations, spec)
    found = times(planned, counted, spec)
    assert found.longest.ravel().tolist() == slow.longest
    assert mapping.used_pes().ravel().tolist() == slow.used
    assert sent_words(mapping, counted).ravel().tolist() == slow.sent
    assert fast.steps.lengths.tolist() == slow.lengths
    assert fast.steps.loads["input"].tolist() == slow.input
    assert fast.steps.loads["weight"].tolist() == slow.weight
    assert fast.steps.stores["output"].tolist() == slow.output
    assert planned.cost == price_of(fast.steps, spec)

    counts, outputs = slow.counts, psums.size
    assert fast.multiplies == counts["pairs"]
    assert fast.causes["mac"] == counts["effectual"]
    assert fast.pipeline_cycles == sum(slow.lengths) - sum(slow.longest)
    assert fast.extras["slots"] == counts["slots"]
    assert fast.causes == {
        "mac": counts["effectual"],
        "zero_operand": counts["pairs"] - counts["effectual"],
        "simd_padding": spec.macs_per_pe * counts["slots"] - counts["pairs"],
        **{name: counts[name] for name in ("imbalance", "idle_mapping", "weight_load", "fill")},
    }
    assert fast.traffic == traffic(slow, outputs, mapping.turns[2], spec)
    assert fast.events == events(slow, outputs, spec)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(tensors(), specs())
def test_layers_equal_the_sliding_windows(given_tensors, spec):
    try:
        run = MACHINE.run(given_tensors, spec)
    except OperandError:  # small buffers are drawn too
        reject()
    assert np.array_equal(run.psums, convolve(given_tensors))
    check(given_tensors, spec)


@settings(max_examples=15, deadline=None)
@given(tensors(), specs(iact_glb_bytes=4096, psum_glb_bytes=8192, psum_spad_words=32), st.data())
def test_roomy_buffers_always_fit(given_tensors, spec, data):
    roomy = spec.model_copy(update={"weight_spad_words": data.draw(st.sampled_from((24, 48, 96)))})
    check(given_tensors, roomy)
