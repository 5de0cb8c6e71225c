"""escalate encode and decode: from an array to a file and back, in every form."""

import json

import numpy as np
import pytest


@pytest.fixture
def words(tmp_path):
    """A file of means, and one of variances."""
    random = np.random.default_rng(0)
    np.save(tmp_path / "words.npy", random.normal(size=(200, 10)).astype(np.float32))
    np.save(tmp_path / "variances.npy", random.exponential(size=(200, 10)) + 0.01)
    return tmp_path / "words.npy", tmp_path / "variances.npy"


def test_there_and_back(escalate, words, tmp_path):
    file, variances = words
    out = tmp_path / "words.vbq"
    code, text, err = escalate(
        "encode", file, "--variances", variances, "--bits-per-value", 2, "--out", out
    )
    assert (code, err) == (0, "")
    assert text.startswith(f"{out}: 1 arrays, 2,000 values\n")
    assert "variable precision" in text
    assert "uniform" in text
    assert out.stat().st_size <= 500
    code, text, err = escalate("decode", out, "--out", tmp_path / "back.npy")
    assert (code, err) == (0, "")
    assert "200 x 10" in text
    back, means = np.load(tmp_path / "back.npy"), np.load(file)
    assert (back.shape, back.dtype) == (means.shape, means.dtype)
    assert np.corrcoef(back.ravel(), means.ravel())[0, 1] > 0.7


def test_json_has_both_rows(escalate, words, tmp_path):
    arguments = ("encode", words[0], "--bytes", 800, "--out", tmp_path / "w", "--format", "json")
    code, text, err = escalate(*arguments)
    assert (code, err) == (0, "")
    thing = json.loads(text)
    assert (thing["arrays"], thing["values"]) == (1, 2000)
    assert [row["code"] for row in thing["rows"]] == ["variable precision", "uniform"]
    assert all(row["stored_bytes"] <= 800 for row in thing["rows"])
    assert thing["rows"][1]["rate_penalty"] is None
    assert len(thing["notes"]) == 1
    assert json.loads(escalate("decode", tmp_path / "w", "--format", "json")[1])["arrays"] == [
        {"array": "words", "dtype": "float32", "shape": [200, 10], "values": 2000}
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FILE", "--bytes", 9), "the smallest file, medians only, makes 44 bytes, wanted at most"),
        (("FILE",), "wanted one of --bytes, --bits-per-value and --rate-penalty"),
        (("FILE", "--bytes", 900, "--rate-penalty", 1), "wanted one of"),
        (("FILE", "--rate-penalty", "nan"), "--rate-penalty': 'nan': wanted a number"),
        (("FILE", "--rate-penalty", 1, "--variances", "FILE"), "words: a variance is -"),
        (
            ("FILE", "--rate-penalty", 1, "--deviation", -1),
            "--deviation -1.0: wanted finite and above 0",
        ),
        (("gone.npy", "--bytes", 900), "gone.npy: no such file"),
        ((__file__, "--bytes", 900), "not a readable .npy or .npz file"),
    ],
)
def test_bad_input_is_one_line(escalate, words, tmp_path, arguments, message):
    named = [words[0] if word == "FILE" else word for word in arguments]
    code, out, err = escalate("encode", *named, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_foreign_files_are_refused(escalate, words):
    code, out, err = escalate("decode", words[0])
    assert (code, out, err) == (2, "", f"error: {words[0]}: is no file of coded arrays\n")
