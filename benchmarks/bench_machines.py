"""Time every machine on ResNet-18 at 224x224, one image of seeded tensors, psums included.

Prints one JSON line per measurement, with the peak memory of the process so far.
"""

import resource

from timing import best_seconds, report

from arch.machine import MACHINES, machine
from workloads.network import network
from workloads.synthetic import Synthetic, synthetic_layers

RECIPES = {
    "weights 0.35": Synthetic(weights=0.35, activations=0.45),
    "dense": Synthetic(weights=1.0, activations=1.0),
}


def main():
    for told, recipe in RECIPES.items():
        layers = list(synthetic_layers(network("resnet18"), recipe, dense=True))
        for name in MACHINES:
            model = machine(name)
            if model.eats_basis:  # timed by bench_networks.py on coefficients
                continue
            spec = next(iter(model.presets.values()))

            def run(model=model, spec=spec, layers=layers):
                for tensors in layers:
                    model.run(tensors, spec)

            seconds = best_seconds(run, repeats=2)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            report(f"{name} resnet18, {told}", seconds, peak_mb=peak // 1024)


if __name__ == "__main__":
    main()
