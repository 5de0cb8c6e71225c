"""compressed: a model folder that was just written, and what is known about it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from escalate.app.scores import Scores, loses_most, told_loss
from escalate.compressors.registry import compressor
from escalate.store.footprint import compression_ratio


@dataclass(frozen=True, slots=True)
class Compressed:
    """A compressed model folder and what is known about it; a path wherever one is wanted.

    Parameters
    ----------
    folder : where it lies
    network : its name
    parameters : of the original network
    convolution_parameters : those of them that are not in fully connected layers
    bytes, int8_bytes : on disk, of the compressed model and of the plain 8-bit one
    convolution_bytes : the part of ``bytes`` that belongs to convolutions, headers not counted
    original, int8, compressed : Scores of the three forms, on images that were not trained on
        unless a note says so
    notes : what there is to say
    method : what made it, by name
    sight : which images, and how the network sees them
    forms : how many layers have each form, see ``escalate.store.footprint.LayerFootprint``
    layer_sqnr : what each layer loses on its own, dB, see ``escalate.train.sqnr.layer_sqnr``
    """

    folder: Path
    network: str
    parameters: int
    convolution_parameters: int
    bytes: int
    int8_bytes: int
    convolution_bytes: int
    original: Scores
    int8: Scores
    compressed: Scores
    notes: tuple[str, ...] = ()
    method: str = "escalate"
    sight: str = ""
    forms: Mapping[str, int] = field(default_factory=dict)
    layer_sqnr: Mapping[str, float] = field(default_factory=dict)

    def __fspath__(self) -> str:
        return os.fspath(self.folder)

    def _repr_html_(self) -> str:
        from escalate.app.display import form_rows, html_table

        rows = form_rows(self)
        told = f"{self.images} images; written to {self.folder}"
        return html_table(self.network, rows, tuple(rows[0]), (told, *self.notes))

    @property
    def layers_told(self) -> str:
        """How many layers have which form, in words; empty for methods without a basis."""
        return told_forms(self.forms) if compressor(self.method).basis else ""

    @property
    def loss(self) -> str:
        """How far the model's answers are from the original's, and which layer loses most."""
        most = loses_most(self.layer_sqnr)
        if most is None:
            return ""
        return told_loss(
            {
                "sqnr_db": self.compressed.sqnr_db,
                "loses_most": most,
                "layer_sqnr_db": self.layer_sqnr[most],
            }
        )

    @property
    def images(self) -> int:
        """How many images the scores are from."""
        return self.original.images

    @property
    def compression_ratio(self) -> float:
        """Bytes of all original parameters at FP32 over the bytes on disk."""
        return compression_ratio(self.parameters, self.bytes)

    @property
    def convolution_ratio(self) -> float:
        """The same for convolutions alone."""
        return compression_ratio(self.convolution_parameters, self.convolution_bytes)

    @property
    def int8_ratio(self) -> float:
        """That of the plain 8-bit model."""
        return compression_ratio(self.parameters, self.int8_bytes)


def told_forms(forms: Mapping[str, int]) -> str:
    """How many layers have which form, in words.

    Examples
    --------
    >>> told_forms({"decomposed": 3, "8 bit": 2})
    '3 of 5 layers decomposed, 2 at 8 bits or fewer'
    """
    told = [f"{forms.get('decomposed', 0)} of {sum(forms.values())} layers decomposed"]
    words = {"ternary": "ternary without a basis", "8 bit": "at 8 bits or fewer"}
    told += [f"{forms[form]} {text}" for form, text in words.items() if forms.get(form)]
    return ", ".join(told)
