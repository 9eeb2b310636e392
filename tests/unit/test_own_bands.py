"""A user's files of many bands: those of --bands reach the network, the report, classifier.json and ONNX."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import timm
import torch
from click.testing import CliRunner, Result

from farfield.backbones import build
from farfield.command.main import main
from farfield.datasets.cards import Packing
from farfield.deployment.classifier import load_classifier
from farfield.deployment.onnx_whole import export_whole, expressible
from farfield.errors import InputError
from farfield.execution import Workers
from farfield.files import read_json
from farfield.networks.by_threes import by_threes
from farfield.own.images import own_images, remarks, used_bands
from farfield.own.prediction import images_of, pixels
from farfield.own.prediction_on_nodes import predicted as on_nodes
from farfield.probing.duplicates import spectra
from farfield.probing.features import pixel_blocks
from farfield.training.checkpoints import save_tensors
from farfield.training.images import MEAN, STD, evaluation_view

BANDS, EACH, SIDE = 13, 12, 32
NETWORK = ("--network", "timm/resnet10t", "--weights", "w.safetensors", "--pixels", SIDE, "--licence", "mit")


def farfield(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def scene(label: int, number: int) -> np.ndarray:
    """13 bands, of a brightness of their own in each file; in band 8 alone the mean says which class it is."""
    random = np.random.default_rng((label, number))
    bands = random.integers(0, 3000, BANDS) + random.integers(0, 300, (40, 40, BANDS))
    bands[..., 7] = 900 + 40 * label + random.integers(0, 30, (40, 40))
    return bands.astype(np.uint16)


@pytest.fixture
def scenes(here: Path) -> Path:
    """Four classes of files as GDAL writes them, nothing said of colours; those of class d one plane a band."""
    for label, name in enumerate("abcd"):
        (here / "mine" / name).mkdir(parents=True)
        for number in range(EACH):
            array, plan = scene(label, number), "contig"
            if name == "d":
                array, plan = np.moveaxis(array, -1, 0), "separate"
            file = here / "mine" / name / f"{number}.tif"
            tifffile.imwrite(file, np.ascontiguousarray(array), photometric="minisblack", planarconfig=plan)
    torch.manual_seed(0)
    save_tensors(here / "w.safetensors", timm.create_model("resnet10t").state_dict())
    return here / "mine"


def accuracy(folder: str) -> float:
    return float(
        read_json(Path(folder) / "classifier/classifier.json")["facts"]["metrics"]["accuracy"]["percent"]
    )


def test_a_class_of_band_8_is_seen_with_bands_and_not_without(scenes):
    """Chance is 25 %, 6 % its standard deviation on 48 images."""
    for words, out in (
        ((), "none"),
        (("--bands", "8"), "it"),
        (("--bands", "all"), "all"),
    ):
        said = farfield("evaluate", scenes, "--out", out, *NETWORK, *words)
        assert said.exit_code == 0, said.output
    assert accuracy("none") <= 45
    assert accuracy("it") >= 90
    assert accuracy("all") >= 50  # the weights are random, and 12 other bands say nothing
    assert "Bands were averaged to three; --bands says which are used" in Path("none/report.md").read_text()
    report, page = Path("it/report.md").read_text(), Path("it/report/index.html").read_text()
    for text in (report, page):
        assert "Of each file band 8 is used, in its own range." in text
    assert "12, 13 are used, each in its own range, three at a time" in Path("all/report.md").read_text()

    new = scenes.parent / "new"
    new.mkdir()
    for label in range(4):
        tifffile.imwrite(
            new / f"{label}.tif", scene(label, 99), photometric="minisblack", planarconfig="contig"
        )
    tifffile.imwrite(new / "rgb.tif", scene(0, 0)[..., :3].copy(), photometric="rgb")
    for out, bands in (("it", [8]), ("all", list(range(1, 14)))):
        described = read_json(Path(out) / "classifier/classifier.json")
        assert described["bands"] == bands
        assert len(described["band_ranges"]["uint16 x 13"]) == len(bands)
        said = farfield("predict", f"{out}/classifier", new)
        assert said.exit_code == 3
        assert f"rgb.tif: it has 3 bands; bands {bands} are asked for" in said.stderr
        classifier, images = Path(out) / "classifier", [*images_of([new])]
        [(lines, problems)] = on_nodes(Workers(1), classifier, images, "csv", torch.device("cpu"))
        assert (lines, problems) == (said.stdout.partition("\n")[2], said.stderr.splitlines())
        rows = list(csv.DictReader(io.StringIO(said.stdout)))
        assert out == "all" or [row["class"] for row in rows] == list("abcd")
        graphs_agree(Path(out) / "classifier", rows)
        assert farfield("export", f"{out}/classifier", "--out", f"{out} again").exit_code == 0
        again, _ = load_classifier(Path(f"{out} again"))
        assert again.backbone.feature_dim == -(-len(bands) // 3) * 512


def graphs_agree(folder: Path, rows: list[dict[str, str]]) -> None:
    """Both ONNX graphs say what `farfield predict` said, to a percent."""
    runtime = pytest.importorskip("onnxruntime")
    classifier, description = load_classifier(folder)
    session = runtime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["bands"].split() == [str(number) for number in description.bands]
    assert json.loads(about["ranges"]).keys() == {"uint16 x 13"}
    packed = torch.from_numpy(np.stack([pixels(Path(row["path"]), description) for row in rows]))
    view = evaluation_view(packed, description.image_size)
    mean, std = (
        np.array([float(word) for word in about[name].split()])[:, None, None] for name in ("mean", "std")
    )
    by_hand = (packed.numpy().transpose(0, 3, 1, 2) / 65535 - mean) / std
    assert np.abs(view.numpy() - by_hand).max() < 1e-3
    [logits] = session.run(["logits"], {"images": view.numpy()})
    np.testing.assert_allclose(logits, classifier(view).detach().numpy(), atol=1e-3)
    whole = [sys.executable, folder / "predict.py", *(row["path"] for row in rows)]
    said = subprocess.run(whole, check=True, capture_output=True, text=True).stdout
    for row, line in zip(rows, said.splitlines(), strict=True):
        path, name, probability = line.split(",")
        assert (path, name) == (row["path"], row["class"])
        assert float(probability) == pytest.approx(float(row["probability"]), abs=0.01)


def test_options_that_cannot_be_meant_are_one_message(scenes):
    for words, code, message in (
        (("--bands", "14"), 1, "it has 13 bands; bands [14] are asked for"),
        (("--bands", "0"), 2, "'0' is not all, nor numbers from 1"),
        (("--bands", "8,8"), 2, "each once"),
        (("--bands", "nir"), 2, "as in 8,4,3"),
        (("--bands", ""), 2, "is not all"),
        (("--time-limit", "nan"), 2, "nan is no number of seconds"),
    ):
        said = farfield("evaluate", scenes, *NETWORK, *words)
        assert said.exit_code == code
        assert message in said.stderr
    assert not Path("evaluation").exists()


def test_a_network_in_an_onnx_file_takes_rgb(scenes):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)],
        "means",
        [helper.make_tensor_value_info("x", kind, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", kind, ["n", 3])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "means.onnx"
    )
    words = ("--network", "means.onnx", "--licence", "mit", "--mean", "0", "--std", "1")
    said = farfield("evaluate", scenes, *words, "--bands", "8")
    assert said.exit_code == 1
    assert "--bands needs a network that can be looked into" in said.stderr


def test_a_network_looks_at_three_bands_at_a_time():
    torch.manual_seed(0)
    network = build("resnet10", width=4, image_size=16).eval()
    mean, std = sum(MEAN) / 3, sum(STD) / 3
    assert by_threes(network, 3) is network
    for channels, threes in (
        (1, [(0, 0, 0)]),
        (2, [(0, 1, 1)]),
        (5, [(0, 1, 2), (3, 4, 4)]),
        (6, [(0, 1, 2), (3, 4, 5)]),
    ):
        values = torch.rand(2, channels, 16, 16)
        wide = by_threes(network, channels)
        features, maps = wide.outputs((values - mean) / std)
        pictures = [torch.stack([values[:, one] for one in three], 1) for three in threes]
        normal = [
            (each - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1) for each in pictures
        ]
        expected = [network.outputs(each) for each in normal]
        torch.testing.assert_close(
            features, torch.cat([found for found, _ in expected], 1), rtol=1e-4, atol=1e-4
        )
        for stage, found in enumerate(maps):
            wanted = torch.cat([each[stage] for _, each in expected], 1)
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
        assert features.shape[1] == wide.feature_dim
        assert [found.shape[1] for found in maps] == list(wide.stage_dims)
        assert wide.state_dict().keys() == {f"network.{name}" for name in network.state_dict()}


def test_kinds_of_files_with_ranges_of_their_own_make_no_graph_of_files(scenes, tmp_path):
    """Files of 8 bits need none, and state it; of two other kinds the graph could not tell which it is given."""
    for file in sorted(scenes.glob("a/*.tif")):
        tifffile.imwrite(
            file, tifffile.imread(file).astype(np.float32), photometric="minisblack", planarconfig="contig"
        )
    own = own_images(scenes, Packing(size=16), 1, (8, 1))
    assert own.images.shape == (48, 16, 16, 2)
    assert {kind: len(spans) for kind, spans in own.band_ranges.items()} == {
        "float32 x 13": 2,
        "uint16 x 13": 2,
    }
    said = farfield("evaluate", scenes, *NETWORK, "--bands", "8,1")
    assert said.exit_code == 0, said.output
    assert not Path("evaluation/classifier/classifier.onnx").exists()
    assert "classifier.onnx" not in Path("evaluation/report/index.html").read_text()
    _, description = load_classifier(Path("evaluation/classifier"))
    with pytest.raises(InputError, match="the bands have 2 ranges"):
        export_whole(tmp_path / "whole.onnx", Path("evaluation/classifier/model.onnx"), description)
    assert expressible(replace(description, band_ranges={"uint16 x 13": ((0.0, 1.0),) * 2}))
    with pytest.raises(InputError, match="band_ranges must have a range for each of bands"):
        replace(description, bands=(8,))


def test_files_of_8_bits_state_the_range_of_their_bands(here):
    for label, name in enumerate("ab"):
        (here / "mine" / name).mkdir(parents=True)
        for number in range(5):
            array = (scene(label, number) // 16).clip(0, 255).astype(np.uint8)
            tifffile.imwrite(
                here / "mine" / name / f"{number}.tif", array, photometric="minisblack", planarconfig="contig"
            )
    own = own_images(here / "mine", Packing(size=40), 1, "all")
    assert own.bands == tuple(range(1, 14))
    assert used_bands((4, 3, 2)) == "Of each file bands 4, 3, 2 are used, each in its own range."
    assert own.band_ranges == {"stated": ((0.0, 255.0),) * 13}
    first = tifffile.imread(here / "mine/a/0.tif")
    assert np.array_equal(own.images[0], first.astype(np.uint16) * 257)
    assert own.picture(0).size == (40, 40)
    assert not any("averaged" in line for line in remarks(own))
    # Blocks and hashes are of all bands, as of three of pictures.
    blocks = pixel_blocks(own.images[:2])
    assert blocks["colours"].shape == (2, 13 * 16)
    grey = first.sum(-1).astype(float)
    assert np.allclose(
        spectra(own.images[:1])[0],
        spectra(np.stack([np.stack([grey / 13] * 3, -1)]).round().astype(np.uint8))[0] * 13 / 3,
        atol=40,
    )
