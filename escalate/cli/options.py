"""options: those that several sub-commands share, and how words become values."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from escalate.cli import completion
from escalate.cli.fitting import be_wide

if TYPE_CHECKING:
    from escalate.app.data import Data
    from escalate.app.feed import Feed

DATA = "Images"  # panel of the help
DIGITS = "sklearn:digits"  # as escalate.app.images.DEFAULT, which takes long to import


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    csv = "csv"
    json = "json"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="A compressed model folder (and one of another method, for machines without a "
        "basis), .npz files of own tensors, a topology .csv, an .onnx file (its shapes), or the "
        "name of a network.",
        show_default=False,
        autocompletion=completion.network_names,
    ),
]
MachineName = Annotated[
    str,
    typer.Option(
        "--machine",
        metavar="NAME",
        help="A machine's name, or a .toml file of one.",
        autocompletion=completion.machine_names,
    ),
]
Machines = Annotated[
    str,
    typer.Option(
        "--machines",
        metavar="A,B,C",
        help="Names, NAME:PRESET, or .toml files, with commas between; all for every machine.",
        autocompletion=completion.machine_lists,
    ),
]
Presets = Annotated[
    str,
    typer.Option("--preset", metavar="P[,P]", help="Presets; the machine's first by default."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field of the machine; may be repeated. "
        "MACHINE.FIELD=VALUE changes it in that machine only.",
        show_default=False,
    ),
]
ImageSource = Annotated[
    str | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Images for a compressed model: digits, photos, cifar10:DIR, or a folder of "
        "images. By default the test images of the model's own data.",
        show_default=False,
    ),
]
SyntheticText = Annotated[
    str | None,
    typer.Option(
        "--synthetic",
        metavar="D",
        help="Fill a network known by its shapes with seeded tensors of stated densities: "
        "coefficients=0.1,weights=0.3,activations=0.4, or weights=han,activations=han as published "
        "of AlexNet and VGG-16. Every row says so.",
        show_default=False,
    ),
]
Basis = Annotated[
    int | None,
    typer.Option(
        "--basis",
        metavar="M",
        min=1,
        help="Basis kernels of synthetic layers; 6 by default.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="S",
        min=0,
        help="Of synthetic tensors; 0 by default.",
        show_default=False,
    ),
]
EnergyTable = Annotated[
    Path | None,
    typer.Option(
        "--energy-table",
        metavar="FILE",
        help="A .toml file of your own energies per action, which replace single prices.",
        show_default=False,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Also write report.html, figures/*.svg, run.json and tables: layers, totals.",
        show_default=False,
    ),
]
Count = Annotated[int, typer.Option("--count", metavar="N", min=1, help="How many images.")]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        help="Threads of the simulator; results never depend on it.",
        show_default=False,
    ),
]
NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="digits_cnn, an .onnx file, or path/to/file.py:factory, a function that returns a "
        "torch module; that file is run.",
        show_default=False,
        autocompletion=completion.network_names,
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="F",
        help="Trained weights, .safetensors or a torch file that needs no code to be read.",
        show_default=False,
    ),
]
DataName = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Images to calibrate with, retrain on and test with: digits, cifar10:DIR, or a "
        "folder (with train and val in it, or one for both).",
        rich_help_panel=DATA,
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        show_default=False,
        help="Names of the classes, a line for each output: which class folder is which. By "
        "default those that the model keeps.",
    ),
]
TrainedClasses = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="FILE",
        show_default=False,
        help="Names of the classes, a line for each output; else there has to be a class folder "
        "for each output, or a labels.csv.",
        rich_help_panel=DATA,
    ),
]
HeldOut = Annotated[
    int | None,
    typer.Option(
        "--held-out",
        metavar="N",
        min=1,
        show_default=False,
        help="Score on the last N training images, which are then not trained on, instead of "
        "the test images.",
        rich_help_panel=DATA,
    ),
]
Resize = Annotated[
    int | None,
    typer.Option(
        "--resize",
        metavar="N",
        min=1,
        show_default=False,
        help="Short side of pictures before the centre is cut out; by default 256 for crops of "
        "224 to 255, 8/7 of others.",
        rich_help_panel=DATA,
    ),
]
Crop = Annotated[
    int | None,
    typer.Option(
        "--crop",
        "--size",
        metavar="N",
        min=1,
        show_default=False,
        help="Height and width that the network wants; the data's own, or 224, by default.",
        rich_help_panel=DATA,
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        "--mean",
        metavar="A,B,C",
        show_default=False,
        help="Mean of pixels per channel, as in the network's training; ImageNet's for colour by "
        "default.",
        rich_help_panel=DATA,
    ),
]
Std = Annotated[
    str | None,
    typer.Option(
        "--std",
        metavar="A,B,C",
        show_default=False,
        help="Standard deviation of pixels, likewise; goes with --mean.",
        rich_help_panel=DATA,
    ),
]
Units = Annotated[
    int,
    typer.Option(
        "--units",
        metavar="1|255",
        help="Value of white in --mean and --std.",
        rich_help_panel=DATA,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        min=1,
        show_default=False,
        help="Use only the first N training images.",
        rich_help_panel=DATA,
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="cpu, cuda, or auto: a GPU if there is one."),
]
TrainingThreads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        min=1,
        show_default=False,
        help="Threads for training; retrained weights depend on it.",
    ),
]
TrainingSeed = Annotated[
    int | None,
    typer.Option("--seed", metavar="S", show_default=False, help="Of retraining; 0 by default."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default=False,
        help="A .toml file with any options, tables by layer among them; "
        "options given here override it.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Check everything, estimate time and memory, run nothing."),
]
Wide = Annotated[
    bool,
    typer.Option(
        "--wide",
        callback=be_wide,
        help="All columns of a table, however narrow the terminal.",
    ),
]
Shape = Annotated[Format, typer.Option("--format", help="How to print the results.")]


def words(text: str) -> tuple[str, ...]:
    """The words of a comma-separated list.

    Examples
    --------
    >>> words("a, b"), words("")
    (('a', 'b'), ())
    """
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    """The numbers of a comma-separated list; None if it was not given.

    Examples
    --------
    >>> numbers("0.5,1", "--mean")
    (0.5, 1.0)
    """
    if text is None:
        return None
    from workloads.number import number, shown

    found = [number(word) for word in words(text)]
    if None in found:
        message = f"{shown(text)}: wanted numbers with commas between"
        raise typer.BadParameter(message, param_hint=option)
    return tuple(float(value) for value in found if value is not None)


def side(crop: int | None) -> tuple[int, int] | None:
    """Height and width of a square.

    Examples
    --------
    >>> side(32), side(None)
    ((32, 32), None)
    """
    return None if crop is None else (crop, crop)


def images(
    data: str,
    crop: int | None,
    mean: str | None,
    std: str | None,
    limit: int | None = None,
    held_out: int | None = None,
    **more: Any,
) -> "Data":
    """The images that the options of the panel name."""
    from escalate.app.data import Data

    size, means, deviations = side(crop), numbers(mean, "--mean"), numbers(std, "--std")
    return Data(data, size, means, deviations, limit, held_out, **more)


def feed(
    images: str | None,
    count: int,
    synthetic: str | None,
    basis: int | None,
    seed: int | None,
    classes: str | None = None,
) -> "Feed":
    """What the source is given: images, or the seeded tensors that ``--synthetic`` spells."""
    from escalate.app.feed import Feed, parse_synthetic

    recipe = parse_synthetic(synthetic, basis=basis, seed=seed, count=count)
    return Feed(images, count, recipe, classes)


def use_threads(count: int | None) -> None:
    """Train on so many threads; None leaves it to torch."""
    if count is not None:
        import torch

        torch.set_num_threads(count)
