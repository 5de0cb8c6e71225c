"""escalate compress: a network becomes a folder of integers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from escalate.cli import options, terminal
from escalate.cli.options import Format

if TYPE_CHECKING:
    from escalate.app.compressed import Compressed

METHOD, SIZE, TRAINING = "Method", "Size", "Training"  # panels of the help


def compress(
    network: options.NetworkName,
    checkpoint: options.Checkpoint = None,
    data: options.DataName = options.DIGITS,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")] = Path(
        "compressed"
    ),
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            show_default=False,
            help="escalate (default), prune for 8-bit weights most of which are 0, rate_distortion "
            "for ones that share few values, vbq for ones coded by how uncertain they are, wpc for "
            "ternary ones in groups, admm for levels of crossbars, or int8 for 8 bits only.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    config: options.ConfigFile = None,
    ratio: Annotated[
        float | None,
        typer.Option(
            "--ratio",
            metavar="X",
            show_default=False,
            help="Whole model X times smaller than FP32: M and density of every layer follow from "
            "their curves.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    mixed: Annotated[
        bool | None,
        typer.Option(
            "--mixed",
            show_default=False,
            help="Let --ratio leave layers at 8 bits and fewer too.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    basis: Annotated[
        int | None,
        typer.Option(
            "--basis",
            metavar="M",
            show_default=False,
            help="Basis kernels per layer, 1..R*S; 6 by default.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    error: Annotated[
        float | None,
        typer.Option(
            "--error",
            metavar="E",
            show_default=False,
            help="Instead of --basis: per layer the smallest M that loses at most this share of "
            "the weights' squared sum.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(
            "--density",
            metavar="D",
            help="Share of coefficients, or of pruned weights, that stay; 0.3 by default.",
            show_default=False,
            rich_help_panel=SIZE,
        ),
    ] = None,
    scope: Annotated[
        str | None,
        typer.Option(
            "--scope",
            metavar="KIND",
            show_default=False,
            help="Of --density when pruning: global (default), of all pruned layers together, or "
            "layer, of each.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="T",
            show_default=False,
            help="Instead of --density: coefficients up to T x the channel's largest become 0.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            "--objective",
            metavar="KIND",
            show_default=False,
            help="Of rate_distortion: kl (default), gradient, hessian, gradient_hessian, baseline.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(
            "--clusters",
            metavar="K",
            show_default=False,
            help="Of rate_distortion: values that a layer's weights share, 2..255; 16 by default.",
            rich_help_panel=SIZE,
        ),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option(
            "--scales",
            metavar="KIND",
            show_default=False,
            help="Of the coefficients: layer, basis, filter, separable (default), filter_basis, "
            "two_sided (TTQ).",
            rich_help_panel=METHOD,
        ),
    ] = None,
    weighting: Annotated[
        str | None,
        typer.Option(
            "--weighting",
            metavar="KIND",
            show_default=False,
            help="inputs: weight errors by how strongly each input channel is driven.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            show_default=False,
            help="Of retraining; 8 by default.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            metavar="X",
            show_default=False,
            help="Of retraining; 0.01 by default.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            show_default=False,
            help="Images in a step of retraining; 64 by default.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    distillation: Annotated[
        float | None,
        typer.Option(
            "--distillation",
            metavar="D",
            show_default=False,
            help="Share of the loss that follows the original's answers; 0.5 by default, "
            "1 needs no labels.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    l1: Annotated[
        float | None,
        typer.Option(
            "--l1",
            metavar="X",
            show_default=False,
            help="Penalty on coefficients' magnitudes.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    updates: Annotated[
        str | None,
        typer.Option(
            "--updates",
            metavar="KIND",
            show_default=False,
            help="joint (default), or alternating: coefficients and basis in turn.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    ramp: Annotated[
        float | None,
        typer.Option(
            "--ramp",
            metavar="R",
            show_default=False,
            help="Drop coefficients or weights step by step over this share of the epochs.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="KIND",
            show_default=False,
            help="crop: mirror and move the training images; mix: lay them over each other, too.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="P",
            show_default=False,
            help="bfloat16: faster retraining where the processor has it.",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="FORMAT",
            show_default=False,
            help="best (default), two_bit, bitmap, two_level, run_length or entropy.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            show_default=False,
            help="Any other field of --config, value as in TOML; may be repeated.",
            rich_help_panel=METHOD,
        ),
    ] = None,
    seed: options.TrainingSeed = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a retraining that was killed.",
            rich_help_panel=TRAINING,
        ),
    ] = False,
    held_out: options.HeldOut = None,
    resize: options.Resize = None,
    crop: options.Crop = None,
    mean: options.Mean = None,
    std: options.Std = None,
    units: options.Units = 1,
    classes: options.TrainedClasses = None,
    limit: options.Limit = None,
    device: options.Device = "auto",
    threads: options.TrainingThreads = None,
    shape: options.Shape = Format.table,
    wide: options.Wide = False,
) -> None:
    """Compress a network and retrain it; write the integers that machines run.

    The folder holds the compressed model, and the same network in plain 8 bits under int8/, which
    machines without a basis are fed. With NETWORK = path/to/file.py:factory that file is run.

    Examples:

      escalate compress digits_cnn --checkpoint digits.safetensors --out digits

      escalate compress nets/mine.py:build --checkpoint mine.pt --data cifar10:cifar-10-batches-py

      escalate compress nets/mine.py:build --data my-images --basis 4 --density 0.2 --epochs 20

      escalate compress mine.onnx --data my-images --ratio 20 --held-out 500

      escalate compress mine.onnx --data my-images --method prune --density 0.2 --out mine-pruned

      escalate compress mine.onnx --data my-images --method wpc --set "group=[8, 1]" --ratio 30
    """
    import torch

    from escalate.app.compress import compress as run
    from escalate.app.data import Data
    from escalate.app.recipe import options_in, options_of, options_set

    if threads is not None:
        torch.set_num_threads(threads)
    terminal.say_running(network)
    images = Data(
        data,
        options.side(crop),
        options.numbers(mean, "--mean"),
        options.numbers(std, "--std"),
        limit,
        held_out,
        resize=resize,
        units=units,
        classes=classes,
    )
    given = {
        "method": method,
        "ratio": ratio,
        "mixed": mixed,
        "basis": basis,
        "error": error,
        "density": density,
        "scope": scope,
        "threshold": threshold,
        "objective": objective,
        "clusters": clusters,
        "scales": scales,
        "weighting": weighting,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch": batch,
        "distillation": distillation,
        "l1": l1,
        "updates": updates,
        "ramp": ramp,
        "augment": augment,
        "precision": precision,
        "storage": storage,
        "seed": seed,
    }
    fields = {} if config is None else options_in(config)
    fields |= {name: value for name, value in given.items() if value is not None}
    fields |= options_set(settings or ())
    with terminal.epoch_progress(options_of(fields).epochs) as (progress, watch):
        made = run(
            network,
            checkpoint=checkpoint,
            data=images,
            out=out,
            resume=resume,
            device=device,
            progress=progress,
            watch=watch,
            **fields,
        )
    print_compressed(made, shape)


def print_compressed(made: "Compressed", shape: Format = Format.table) -> None:
    """Accuracy and size of the three forms of a network."""
    from escalate.app.display import form_rows

    rows = form_rows(made)
    thing = {
        "network": made.network,
        "folder": str(made.folder),
        "method": made.method,
        "images": made.images,
        "forms": rows,
        "convolution_ratio": made.convolution_ratio,
        "layers": dict(made.forms),
        "seen": made.sight,
        "notes": list(made.notes),
    }
    if terminal.print_data(shape, thing, rows):
        return
    terminal.print_table(rows, tuple(rows[0]))
    typer.echo(
        f"{made.network}: {made.images} images, 95 % intervals {_intervals(made)}\n"
        f"convolutions alone {made.convolution_ratio:.1f}x; written to {made.folder}"
    )
    for told in filter(None, (made.layers_told, made.sight and f"images: {made.sight}")):
        typer.echo(told)
    terminal.print_notes(made.notes)


def _intervals(made: "Compressed") -> str:
    """Those of the compressed model's accuracy and agreement, in words."""
    from escalate.app.scores import interval

    shares = {"accuracy": made.compressed.accuracy, "agreement": made.compressed.agreement}
    found = []
    for name, share in shares.items():
        if share is not None:
            low, high = interval(share, made.images)
            found.append(f"{name} {low:.1%} to {high:.1%}")
    return ", ".join(found)
