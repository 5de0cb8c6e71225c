"""A distribution on the path as an installer leaves it: its modules and its metadata."""

from pathlib import Path


def installed(
    folder: Path,
    name: str,
    modules: dict[str, str],
    points: dict[str, str],
    group: str = "escalate.machines",
) -> Path:
    """Lay a distribution into ``folder``.

    modules : module -> source
    points : entry point of the group -> module:object
    """
    folder.mkdir(parents=True, exist_ok=True)
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text, "utf-8")
    about = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{point} = {value}" for point, value in points.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
    return folder
