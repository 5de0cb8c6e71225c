"""Does a picture get the number of its class, or nobody's, and never another's?"""

import pytest
from PIL import Image

from escalate.app.images import read_images
from escalate.app.labels import Classes, folder_labels, listed_classes
from escalate.errors import DataError

NAMES = ("ant", "bee", "cat", "dog")


def folder(path, *names):
    for name in names:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file)
    return path


def test_as_many_class_folders_as_outputs_are_numbered_by_name(tmp_path):
    folder(tmp_path, "bee/1.png", "ant/1.png", "ant/2.png")
    found = folder_labels(tmp_path, Classes(2))
    assert (found.values.tolist(), found.names) == ([0, 0, 1], ("ant", "bee"))
    assert folder_labels(tmp_path, Classes(2), count=1).values.tolist() == [0]


@pytest.mark.parametrize("outputs", [1, 3, 1000])
def test_other_numbers_of_class_folders_mean_nothing_without_names(tmp_path, outputs):
    folder(tmp_path, "bee/1.png", "ant/1.png")
    found = folder_labels(tmp_path, Classes(outputs))
    assert (found.values, found.names) == (None, ())
    assert f"2 class folders, the network has {outputs} outputs; say which is which" in found.reason
    images = read_images(str(tmp_path), 3, (4, 4), classes=Classes(outputs))
    with pytest.raises(DataError, match="2 class folders, the network has"):
        images.known_labels()


def test_a_subset_of_the_classes_keeps_their_numbers(tmp_path):
    folder(tmp_path, "dog/1.png", "bee/1.png")
    found = folder_labels(tmp_path, Classes(4, NAMES, "the model"))
    assert found.values.tolist() == [1, 3]
    folder(tmp_path, "eel/1.png")
    found = folder_labels(tmp_path, Classes(4, NAMES, "the model"))
    assert found.values is None
    assert "eel: no class of that name in the model (ant, bee, cat …)" in found.reason


def test_classes_of_a_split_folder_are_those_of_its_training_part(tmp_path):
    train = folder(tmp_path / "train", *(f"{name}/1.png" for name in NAMES))
    val = folder(tmp_path / "val", "dog/1.png", "bee/1.png")
    found = folder_labels(val, Classes(4), beside=train)
    assert (found.values.tolist(), found.names) == ([1, 3], NAMES)


def test_a_table_says_it_file_by_file(tmp_path):
    folder(tmp_path, "x.png", "y.png")
    table = tmp_path / "labels.csv"
    table.write_text("wnid,File,Class Index\nn1,y.png,7\n\nn0,x.png,3\nn2,gone.png,1\n")
    assert folder_labels(tmp_path, Classes(8)).values.tolist() == [3, 7]
    assert folder_labels(tmp_path, Classes(8, tuple("abcdefgh"))).names == tuple("abcdefgh")
    with pytest.raises(DataError, match=r"'n1,y.png,7': wanted file and a class_index 0..6"):
        folder_labels(tmp_path, Classes(7))


def test_a_table_also_names_files_in_class_folders_and_in_parts(tmp_path):
    train = folder(tmp_path / "train", "a/1.png", "b/1.png")
    val = folder(tmp_path / "val", "a/1.png", "b/2.png")
    (tmp_path / "labels.csv").write_text(
        "file,class_index\nval/a/1.png,5\nval/b/2.png,2\ntrain/a/1.png,5\ntrain/b/1.png,2\n"
    )
    assert folder_labels(val, Classes(6), beside=train).values.tolist() == [5, 2]
    (val / "labels.csv").write_text("file,class_index\na/1.png,0\nb/2.png,1\n")
    assert folder_labels(val, Classes(6), beside=train).values.tolist() == [0, 1]
    assert folder_labels(train, Classes(6), beside=train).values.tolist() == [5, 2]


TABLES = {
    "x.png,3\n": "wanted a heading with the columns file and class_index",
    "": "wanted a heading",
    "class_index,file\n-1,x.png\n": "'-1,x.png': wanted file and a class_index 0..9",
    "file,class_index\nx.png,١\n": "wanted file and a class_index 0..9",
    "file,class_index\nx.png," + 5000 * "1" + "\n": "wanted file and a class_index 0..9",
    "file,class_index\nx.png\n": "'x.png': wanted file and a class_index",
    "file,class_index\nx.png,1\nx.png,2\n": "x.png: stands there with two classes",
    "file,class_index\nz.png,1\n": "has no class for x.png",
    'file,class_index\n"' + 200_000 * "x": "field larger than field limit",
}


@pytest.mark.parametrize("text", TABLES)
def test_refused_tables(tmp_path, text):
    folder(tmp_path, "x.png")
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=TABLES[text]) as refused:
        folder_labels(tmp_path, Classes(10))
    assert len(str(refused.value)) < 400


def test_names_in_a_file(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(NAMES) + "\n")
    assert listed_classes(path, 4) == Classes(4, NAMES, str(path))
    with pytest.raises(DataError, match="4 names of classes, the network has 3 outputs"):
        listed_classes(path, 3)
    path.write_text("ant\nbee\nant\n")
    with pytest.raises(DataError, match="ant stands there twice"):
        listed_classes(path, 3)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no text in UTF-8"):
        listed_classes(path, 1)
    with pytest.raises(DataError, match="No such file"):
        listed_classes(tmp_path / "gone", 1)
