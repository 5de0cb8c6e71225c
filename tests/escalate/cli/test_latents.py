"""escalate latents: from pictures to a table, a CSV file and a figure."""

import json
from pathlib import Path

import pandas as pd
import pytest

from escalate.app.latents import Latents, Row

TINY = ("--epochs", 1, "--patches", 64, "--features", 4, "--channels", 3, "--count", 1)


def test_json_and_the_files(escalate, tmp_path):
    file, out = tmp_path / "vae.safetensors", tmp_path / "out"
    arguments = ("--vae", file, "--threads", 1, "--out", out, "--format", "json")
    code, text, err = escalate("latents", *TINY, *arguments, "--rate-penalties", "2,1")
    assert (code, err) == (0, "")
    assert file.is_file()
    assert sorted(each.name for each in out.iterdir()) == ["latents.csv", "latents.svg"]
    thing = json.loads(text)
    frame = pd.read_csv(out / "latents.csv")
    assert [row["stored_bytes"] for row in thing["rows"]] == frame["stored_bytes"].tolist()
    assert (thing["data"], thing["pictures"], thing["height"]) == ("photos", 1, 256)
    assert thing["decoder_bytes"] > 0
    page = (Path(__file__).parents[3] / "docs" / "json.md").read_text("utf-8")
    assert not [key for key in (*thing, *thing["rows"][0]) if f"`{key}`" not in page]
    assert [row["setting"] for row in thing["rows"][:2]] == [2, 1]


def test_the_table(escalate, tmp_path, monkeypatch):
    rows = (
        Row("variable precision", 0.5, 12_345, 1.234, 30.5, 0.1, None, 99),
        Row("jpeg 4:2:0", 50.0, 22_345, 2.234, 31.5, None, 2.1, None),
    )
    found = Latents("photos", 2, 256, 256, 32.0, 99, rows)
    monkeypatch.setattr("escalate.app.latents.latents", lambda *_, **__: found)
    code, text, err = escalate("latents", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "30.5 dB" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "photos: 2 pictures of 256 x 256 pixels; latents that are not quantized give" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "digits"), "digits: grey, wanted pictures in colour"),
        (("--data", "gone"), "gone: no such folder"),
        (("--count", 3), "photos: has 2 pictures to compress, 3 were asked for"),
        (("--epochs", 0, "--count", 1), "vae: epochs is 0"),
        (
            ("--rate-penalties", "1,x"),
            "--rate-penalties: '1,x': wanted numbers with commas between",
        ),
        (("--rate-penalties", "-1", "--count", 1, *TINY[:4]), "penalty: lambda is -1.0, wanted"),
        (("--noise", "nan"), "'--noise': 'nan': wanted a number 0 to 1e6"),
        (("--limit", 0), "--limit"),
        (("--vae", __file__, "--count", 1), "test_latents.py: no checkpoint of a training"),
    ],
)
def test_bad_input_is_one_line(escalate, tmp_path, arguments, message):
    code, out, err = escalate("latents", *arguments, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folders_that_are_not_ours_are_left_alone(escalate, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    code, out, err = escalate("latents", *TINY, "--out", tmp_path)
    assert (code, out) == (2, "")
    assert "holds 'thesis.tex', which we did not write" in err
