"""SCALE-Sim topology files: read as SCALE-Sim does, refused with line and column, written back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer
from workloads.network import NETWORKS, network
from workloads.topology import (
    overhang,
    read_topology,
    sayable,
    topology_text,
    write_topology,
)

HEADER = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "
    "Strides,"
)


def read(folder, *lines, header=HEADER):
    file = folder / "net.csv"
    file.write_text("\n".join([header, *lines]), "utf-8")
    return read_topology(file)


def test_convolutions_are_read_in_order_with_pad_0(tmp_path):
    name, layers = read(tmp_path, "a, 10, 12, 3, 3, 4, 6, 1,", "", "b,7,7,1,1,16,20,2,")
    assert name == "net"
    assert layers == (
        ConvLayer("a", C=4, K=6, H=10, W=12, R=3, S=3),
        ConvLayer("b", C=16, K=20, H=7, W=7, stride=2),
    )


def test_products_become_1x1_convolutions(tmp_path):
    _, (layer,) = read(tmp_path, "qkv,128,1536,512,", header="Layer,M,N,K,")
    assert layer == ConvLayer("qkv", C=512, K=1536, H=128, W=1)
    assert layer.macs == 128 * 1536 * 512


def test_a_window_over_the_edge_counts_as_in_scalesim(tmp_path):
    """SCALE-Sim: ceil((224 - 7) / 2) + 1 = 110 outputs, where a plain convolution has 109."""
    _, (conv1, exact) = read(tmp_path, "Conv1,224,224,7,7,3,64,2,", "b,225,11,7,3,3,64,2,")
    assert conv1.padding == (0, 1, 0, 1)
    assert (conv1.P, conv1.Q) == (110, 110)
    assert exact.padding == (0, 0, 0, 0)


def test_dp_in_the_name_makes_a_layer_depthwise(tmp_path):
    _, (layer,) = read(tmp_path, "Conv2_DP,12,12,3,3,8,2,1,")
    assert (layer.groups, layer.C, layer.K) == (8, 8, 16)
    assert layer.is_depthwise


WANTED = ConvLayer("conv1", C=3, K=4, H=8, W=8, R=3, S=3)
ROW = "conv1, 8, 8, 3, 3, 3, 4, 1,"


@pytest.mark.parametrize(
    "lines",
    [
        (",,,,,,,,", ROW, ",,,,,,,,"),
        (ROW + ",,6,6,36,",),
        ("Backbone,", ROW, "Head,,,,,,,,"),
        ('"conv1","8","8","3","3","3","4","1",',),
        (' "conv1", "8", "8", "3", "3", "3", "4", "1",',),
        ("# backbone", ROW, "// 1,2,3"),
    ],
)
def test_spreadsheets_are_read(tmp_path, lines):
    assert read(tmp_path, *lines) == ("net", (WANTED,))


def test_a_quoted_name_may_have_a_comma(tmp_path):
    _, (layer,) = read(tmp_path, '"conv1, first",8,8,3,3,3,4,1,')
    assert layer.name == "conv1, first"


def test_columns_are_found_by_their_heading(tmp_path):
    header = (
        "Num Filter,Channels,Layer name,Strides,Filter Width,Filter Height,IFMAP Width,IFMAP H,"
    )
    _, (layer,) = read(tmp_path, "64,3,c,2,5,7,22,21,", header=header)
    assert layer == ConvLayer("c", C=3, K=64, H=21, W=22, R=7, S=5, stride=2, padding=(0, 0, 0, 1))
    _, (product,) = read(tmp_path, "q,512,128,1536,", header="Layer,K,M,N,")
    assert (product.C, product.H, product.K) == (512, 128, 1536)


def test_strides_of_both_directions(tmp_path):
    header = HEADER.replace("Strides", "Stride width,Channels,Stride height").replace(
        "Channels, ", "", 1
    )
    assert read(tmp_path, "c,8,8,2,2,6,2,4,2,", header=header)[1][0].stride == 2
    _, (layer,) = read(tmp_path, "c,8,8,2,2,6,1,4,2,", header=header)
    assert (layer.strides, layer.P, layer.Q) == ((2, 1), 4, 7)
    with pytest.raises(WorkloadError, match=r"Stride width is '0', wanted an integer >= 1"):
        read(tmp_path, "c,8,8,2,2,6,0,4,2,", header=header)
    with pytest.raises(WorkloadError, match=r"Stride width is '', wanted an integer >= 1"):
        read(tmp_path, "c,8,8,2,2,6,,4,2,", header=header)


def test_the_cell_behind_the_last_heading_is_the_stride_of_columns(tmp_path):
    """SCALE-Sim 2 takes a ninth cell so."""
    _, (layer,) = read(tmp_path, "c,8,8,3,3,4,6,2,3,")
    wanted = {"stride": (2, 3), "padding": (0, 1, 0, 1)}
    assert layer == ConvLayer("c", 4, 6, 8, 8, 3, 3, **wanted)
    assert (layer.P, layer.Q) == (4, 3)
    with pytest.raises(WorkloadError, match=r"Stride width is '0', wanted an integer >= 1"):
        read(tmp_path, "c,8,8,3,3,4,6,2,0,")


def test_strides_that_differ_are_written_as_two_columns(tmp_path):
    layers = (
        ConvLayer("a", C=4, K=6, H=9, W=9, R=3, S=3, stride=(2, 3)),
        ConvLayer("b", C=6, K=6, H=4, W=3, R=3, S=3),
    )
    found = sayable(layers)
    assert found.notes == (
        "a: strides that differ: a column 'Stride width'; SCALE-Sim 2 reads it, 3 not",
    )
    text = topology_text(found.layers)
    assert text.splitlines() == [
        HEADER + " Stride width,",
        "a, 9, 9, 3, 3, 4, 6, 2, 3,",
        "b, 4, 3, 3, 3, 6, 6, 1, 1,",
    ]
    (tmp_path / "net.csv").write_text(text)
    assert read_topology(tmp_path / "net.csv") == ("net", layers)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            HEADER.replace("Strides", "Padding, Strides"),
            "line 1: column 'Padding' is unknown, allo",
        ),
        (
            HEADER + "Dilation,",
            "line 1: column 'Dilation' is unknown, allowed are Layer name, IFMAP",
        ),
        (HEADER + "channels,", "line 1: column 'channels' is there twice"),
        (HEADER.replace("Channels, ", ""), "line 1: the header is "),
    ],
)
def test_columns_that_would_be_mistaken_are_refused(tmp_path, header, message):
    with pytest.raises(WorkloadError, match=message):
        read(tmp_path, "c,8,8,3,3,4,6,1,1,", header=header)


def test_columns_of_remarks_may_have_a_heading(tmp_path):
    header = HEADER.replace("IFMAP Height", "Notes, IFMAP Height") + ",Remark"
    assert read(tmp_path, "conv1,17,8,8,3,3,3,4,1,,5", header=header)[1] == (WANTED,)


def test_a_name_that_was_there_before_gets_a_number(tmp_path):
    """SCALE-Sim's own DeepBench file repeats names."""
    other = ROW.replace("conv1", "conv1_2")
    _, layers = read(tmp_path, ROW, ROW, other, ROW)
    assert [layer.name for layer in layers] == ["conv1", "conv1_3", "conv1_2", "conv1_4"]
    assert {layer.macs for layer in layers} == {3888}


@pytest.mark.parametrize(
    "line",
    [
        "c,8,8,3,3,4,6,2,",
        "c,8,8,3,3,4,6,2",
        "c,8,8,3,3,4,6,2,,",
        "c, 8 ,8,3,3,4,6,2 , NPU",
        "c,8,8,3,3,4,6,2,#dw",
        "c,8,8,3,3,4,6,2,2,",
        "c,8,8,3,3,4,6,2,1:1,",
        "c,8,8,3,3,4,6,2,2,4:4,",
    ],
)
def test_remarks_equal_strides_and_dense_ratios_say_nothing_more(tmp_path, line):
    _, (layer,) = read(tmp_path, line)
    plain = ConvLayer("c", C=4, K=6, H=8, W=8, R=3, S=3, stride=2)
    assert overhang(plain) == (0, 1, 0, 1)
    assert layer == ConvLayer("c", 4, 6, 8, 8, 3, 3, stride=2, padding=(0, 1, 0, 1))


def test_other_headers_and_line_endings(tmp_path):
    file = tmp_path / "old.name.csv"
    header = HEADER.replace("Strides,", "Stride height,Stride width,").upper()
    file.write_bytes(("\ufeff" + header + "\r\na,5,5,3,3,1,1,1,1,\r\n\r\n").encode())
    name, (layer,) = read_topology(file)
    assert name == "old.name"
    assert layer.H == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c,8,x,3,3,4,6,1,", r"net\.csv: line 2: IFMAP Width is 'x', wanted an integer >= 1"),
        ("c,8,8,3,3,0,6,1,", r"line 2: Channels is '0', wanted an integer >= 1"),
        ("c,8,8,3,3,4,-6,1,", r"line 2: Num Filter is '-6', wanted"),
        ("c,8,8,3,3,4,6,", r"line 2: Strides is '', wanted an integer >= 1"),
        ("c,8,8,3,3,4", r"line 2: Num Filter is '', wanted"),
        ("c,8.0,8,3,3,4,6,1,", r"line 2: IFMAP Height is '8\.0', wanted"),
        ("c,+-8,8,3,3,4,6,1,", r"line 2: IFMAP Height is '\+-8', wanted"),
        ("c,8,8,9,3,4,6,1,", r"line 2: Filter Height is 9, wanted at most the IFMAP Height 8"),
        ("c,8,8,3,9,4,6,1,", r"line 2: Filter Width is 9, wanted at most the IFMAP Width 8"),
        (",8,8,3,3,4,6,1,", r"line 2: the layer has no name"),
        ("c,8,8,3,3,4,6,1,2:4,", r"line 2: Sparsity is '2:4', wanted 1:1 \(dense\)"),
        ("c,1_0,8,3,3,4,6,1,", r"line 2: IFMAP Height is '1_0', wanted an integer >= 1"),
        ("c,\u0668,8,3,3,4,6,1,", r"line 2: IFMAP Height is '\u0668', wanted an integer >= 1"),
        ("c,8,8,1,1,4,99999999999,1,", r"line 2: c: K is 99999999999, wanted an integer 1 to 1"),
        ('c,8,8,3,3,4,"6,1,', r"line 2: no CSV: unexpected end of data"),
        ("", r"net\.csv: no layer follows the header line"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, message):
    with pytest.raises(WorkloadError, match=message):
        read(tmp_path, line)


def test_bad_products_are_named(tmp_path):
    with pytest.raises(WorkloadError, match=r"line 2: K is '', wanted an integer >= 1"):
        read(tmp_path, "g,1,2,", header="Layer,M,N,K,")
    with pytest.raises(WorkloadError, match=r"line 2: Sparsity is '1:4', wanted 1:1"):
        read(tmp_path, "g,1,2,3,1:4,", header="Layer,M,N,K,Sparsity,")


@pytest.mark.parametrize("header", ["c,8,8,3,3,4,6,1,", "Layer name, M, N,", "whatever"])
def test_a_file_without_a_header_is_refused(tmp_path, header):
    """SCALE-Sim skips the first line unseen; a layer there would be lost."""
    with pytest.raises(WorkloadError, match=r"line 1: the header is .* wanted 'Layer name, IFMAP"):
        read(tmp_path, "d,8,8,3,3,4,6,1,", header=header)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(WorkloadError, match=r"none\.csv: cannot be read as text"):
        read_topology(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkloadError, match=r"binary\.csv: cannot be read as text"):
        read_topology(tmp_path / "binary.csv")
    (tmp_path / "empty.csv").write_text("\n \n")
    with pytest.raises(WorkloadError, match=r"empty\.csv: the file is empty"):
        read_topology(tmp_path / "empty.csv")
    with pytest.raises(WorkloadError, match="cannot be written"):
        write_topology(tmp_path, [ConvLayer("c", C=1, K=1, H=1, W=1)])


@st.composite
def topologies(draw):
    layers = []
    for number in range(draw(st.integers(1, 4))):
        R, S = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        C, K = draw(st.integers(1, 9)), draw(st.integers(1, 9))
        depthwise = draw(st.booleans()) and C > 1
        plain = ConvLayer(
            f"layer {number}{' DP' if depthwise else ''}",
            C=C,
            K=C * K if depthwise else K,
            H=draw(st.integers(R, 12)),
            W=draw(st.integers(S, 12)),
            R=R,
            S=S,
            stride=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
            groups=C if depthwise else 1,
        )
        fields = {name: getattr(plain, name) for name in plain.__slots__}
        layers.append(ConvLayer(**(fields | {"padding": overhang(plain)})))
    return tuple(layers)


@settings(deadline=None)
@given(topologies())
def test_what_is_written_reads_back_the_same(tmp_path_factory, layers):
    file = tmp_path_factory.mktemp("topology") / "net.csv"
    write_topology(file, layers)
    assert read_topology(file) == ("net", layers)
    first = file.read_bytes()
    write_topology(file, read_topology(file)[1])
    assert file.read_bytes() == first


def test_padding_becomes_input_that_the_windows_cover(tmp_path):
    """ResNet's conv1: 112 outputs of 7x7, stride 2, need 229 rows; SCALE-Sim then sees 112."""
    conv1 = ConvLayer("conv1", C=3, K=64, H=224, W=224, R=7, S=7, stride=2, padding=(3, 3, 3, 3))
    file = tmp_path / "net.csv"
    write_topology(file, [conv1])
    assert file.read_text() == HEADER + "\nconv1, 229, 229, 7, 7, 3, 64, 2,\n"
    _, (again,) = read_topology(file)
    assert (again.P, again.Q, again.macs) == (conv1.P, conv1.Q, conv1.macs)


def test_products_are_written_and_read(tmp_path):
    layers = [
        ConvLayer("fc", C=64, K=10, H=1, W=1),
        ConvLayer("conv", C=3, K=8, H=9, W=9, R=3, S=3, stride=2, padding=(1, 1, 1, 1)),
    ]
    file = tmp_path / "net.csv"
    write_topology(file, layers, gemm=True)
    assert file.read_text() == "Layer, M, N, K,\nfc, 1, 10, 64,\nconv, 25, 8, 27,\n"
    _, again = read_topology(file)
    assert [layer.macs for layer in again] == [layer.macs for layer in layers]


@pytest.mark.parametrize(
    ("fields", "gemm", "message"),
    [
        ({"dilation": 2}, False, "c: dilation = 2, the format has none"),
        ({"groups": 2}, False, "c: groups = 2, the format has depthwise layers only"),
        ({"groups": 2}, True, "c: groups = 2, the GEMM format has none"),
        ({"groups": 4}, False, "c: SCALE-Sim knows depthwise .* wanted it to contain 'DP'"),
        ({"name": "ADP"}, False, "ADP: SCALE-Sim knows .* wanted it to not contain 'DP'"),
        ({"name": "a,b"}, False, "'a,b': the name holds a comma"),
        ({"name": "a\nb"}, False, "the name holds a comma, a line break"),
        ({"name": " a"}, False, "outer blanks"),
        ({"name": ""}, False, "outer blanks"),
    ],
)
def test_what_the_format_cannot_say_is_refused(tmp_path, fields, gemm, message):
    layer = ConvLayer(**({"name": "c", "C": 4, "K": 4, "H": 9, "W": 9} | fields))
    with pytest.raises(WorkloadError, match=message):
        write_topology(tmp_path / "net.csv", [layer], gemm=gemm)


def test_names_written_twice_are_refused(tmp_path):
    layer = ConvLayer("c", C=4, K=4, H=9, W=9)
    with pytest.raises(WorkloadError, match="layer name 'c' appears twice"):
        write_topology(tmp_path / "net.csv", [layer, layer])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_sayable_and_keeps_its_work(tmp_path, name):
    layers = network(name).shapes
    said = sayable(layers)
    (tmp_path / "net.csv").write_text(topology_text(said.layers), "utf-8")
    _, again = read_topology(tmp_path / "net.csv")
    assert sum(layer.macs for layer in again) == network(name).macs
    assert [(a.name, a.P, a.Q, a.C, a.K) for a in again] == [
        (s.name, s.P, s.Q, s.C, s.K) for s in said.layers
    ]
    assert sayable(again) == type(said)(again, ())


def test_what_had_to_be_said_otherwise_is_told():
    side = {"H": 6, "W": 6, "R": 3, "S": 3}
    found = sayable(
        [
            ConvLayer("padded", C=2, K=2, padding=(1, 1, 1, 1), **side),
            ConvLayer("plain", C=2, K=2, **side),
            ConvLayer("dw", C=4, K=8, groups=4, **side),
            ConvLayer("my_DP", C=4, K=4, groups=4, **side),
            ConvLayer("UDP", C=4, K=4, **side),
            ConvLayer("halves", C=4, K=6, groups=2, **side),
        ]
    )
    names = ["padded", "plain", "dw_DP", "my_DP", "Udp", "halves_group0", "halves_group1"]
    assert [layer.name for layer in found.layers] == names
    assert [(layer.C, layer.K) for layer in found.layers[-2:]] == [(2, 3)] * 2
    assert found.notes == (
        "padded: padded: written with the input that their windows cover, zeros included",
        "dw, UDP: renamed: depthwise layers, and no others, have DP in their name",
        "halves: of groups: one line for each group",
    )
