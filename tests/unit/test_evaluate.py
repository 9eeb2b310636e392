"""A user's own images: read, checked, evaluated, and turned into a classifier."""

import csv
import io
import os
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from commands import evaluate, own_images, predict
from commands.answering import choose
from commands.compose import composed, texts
from commands.exporting import exportable
from commands.record import fresh_record, recorded
from farfield.backbones import build
from farfield.datasets.cards import Packing
from farfield.datasets.class_folders import class_folders
from farfield.deployment.classifier import load_classifier
from farfield.errors import InputError
from farfield.files import read_json, write_json
from farfield.metalearning.architecture import Architecture
from farfield.results.comparisons import rank, recommend
from farfield.results.scores import of_episodes
from farfield.training.checkpoints import save_tensors
from farfield.training.classifier import Classifier
from farfield.transfer.feature_learners import FEATURE_LEARNERS
from farfield.transfer.nearest_centroid import NearestCentroid
from stages.frame.models import model_file
from stages.frame.params import load_params

COLOURS = {"blue": (30, 40, 220), "green": (40, 200, 40), "red": (220, 30, 30)}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path) -> Path:
    """Three classes of nine images that any network tells apart."""
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(9):
            noisy = np.clip(generator.normal(colour, 20, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "mine" / name / f"{i}.png")
    return tmp_path / "mine"


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to run in, with the parameters of the profile tiny."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARFIELD_WORKERS", "1")
    monkeypatch.setenv("FARFIELD_DEVICE", "cpu")
    write_params(tmp_path)
    return tmp_path


@cache
def tiny(*overrides: str) -> dict[Path, str]:
    conf = REPOSITORY / "conf"
    return texts(composed(recorded([*overrides], fresh_record("tiny", conf), conf), conf))


def write_params(folder: Path, *overrides: str) -> None:
    for path, text in tiny(*overrides).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)


@pytest.fixture
def models(here) -> Path:
    """Networks as the stages pretrain, weights and metatrain save them, with random weights."""
    params = load_params()
    folder = here / "pipelines/fewshot"
    torch.manual_seed(0)
    for name in params.fewshot.models:
        model = params.networks.all[name]
        backbone = build(model.backbone, width=model.width, image_size=params.image_size)
        facts = {"backbone": model.backbone, "width": model.width, "image_size": params.image_size}
        save_tensors(model_file(name), Classifier(backbone, 6).state_dict(), facts)
    for key, row in params.fewshot.meta.items():
        architecture = Architecture(
            row.learner, row.settings, row.transform, row.backbone, row.width, params.image_size, 5
        )
        save_tensors(
            folder / "meta/models" / key / "1-shot.safetensors",
            architecture.build().state_dict(),
            asdict(architecture),
        )
    return folder


def run(data: Path, *options: str) -> None:
    evaluate.main(evaluate.parsed([str(data), "--episodes", "6", "--adapted-episodes", "2", *options]))


def test_class_folders_give_images_by_class_and_name_what_is_no_image(data):
    (data / "red/notes.txt").write_text("not an image")
    (data / "stray.png").write_bytes(b"")
    (data / "red/.hidden.png").write_bytes(b"")
    found = class_folders(data)
    assert found.index.class_names == ("blue", "green", "red")
    assert [(r.path, r.label) for r in found.index.records][8:10] == [("blue/8.png", 0), ("green/0.png", 1)]
    assert found.left_out == {"red/notes.txt": "no image by its name", "stray.png": "in no class folder"}


def test_a_folder_that_holds_no_classes_is_refused(tmp_path, data):
    assert class_folders(tmp_path).index.class_names == ("blue", "green", "red")  # whatever lies around them
    for name in ("a/x/1.png", "a/y/2.png", "b/x/3.png"):
        (data / "nested" / name).parent.mkdir(parents=True)
        (data / "nested" / name).write_bytes(b"")
    for folder, message in (
        (tmp_path / "nowhere", "nowhere does not exist"),
        (data / "red/0.png", r"0\.png is a file"),
        (data / "red", "no class folder"),
        (data / "nested", "lies deeper than <class>/<image>.*whether 'a' or 'x' is its class"),
    ):
        with pytest.raises(InputError, match=message):
            class_folders(folder)
    for name in ("red", "green", "nested"):
        os.rename(data / name, tmp_path / name)
    with pytest.raises(InputError, match=r"1 class folder \(blue\); a classifier needs at least two"):
        class_folders(data)


def test_images_are_decoded_once_and_again_after_a_change(data, here, monkeypatch):
    (data / "red/damaged.png").write_bytes(b"damaged")
    first = own_images.own_images(data, Packing(18), 1)
    assert first.counts == {"blue": 9, "green": 9, "red": 9}
    assert first.left_out == {"red/damaged.png": "not an image that Pillow knows"}
    assert first.images.shape == (27, 18, 18, 3)
    assert isinstance(first.images, np.memmap)

    with monkeypatch.context() as patched:
        patched.setattr(own_images, "pack", lambda *a, **k: pytest.fail("decoded again"))
        again = own_images.own_images(data, Packing(18), 1)
    assert np.array_equal(again.images, first.images)
    assert again.fingerprint == first.fingerprint

    (data / "red/0.png").write_bytes((data / "blue/0.png").read_bytes())
    changed = own_images.own_images(data, Packing(18), 1)
    assert changed.fingerprint != first.fingerprint
    assert changed.repeated == 2


def test_episodes_ask_as_much_as_the_smallest_class_allows(data, here):
    (data / "green/8.png").unlink()
    own = own_images.own_images(data, Packing(18), 1)
    episodes = own_images.draw(own, way=5, shot=6, query=15, episodes=4, seed=0)
    assert episodes.rows.shape == (4, 3, 6 + 2)
    [note] = own_images.remarks(own, episodes, query=15)
    assert "2 queries a class, not 15: the smallest class, green, has 8 images" in note


def test_a_class_too_small_for_the_shots_is_named_with_the_files_it_lost(data, here):
    (data / "green/8.png").write_bytes(b"damaged")
    own = own_images.own_images(data, Packing(18), 1)
    with pytest.raises(InputError, match=r"needs 9 readable.*green has 8\. Left out there: green/8\.png"):
        own_images.draw(own, way=5, shot=8, query=15, episodes=4, seed=0)


def test_without_models_the_user_is_told_how_to_get_them(data, here):
    with pytest.raises(InputError, match=r"no models yet.*make repro"):
        run(data, "--methods", "all")
    with pytest.raises(InputError, match=r"fixed needs .*objects\.safetensors.*make repro"):
        run(data, "--methods", "fixed")
    with pytest.raises(InputError, match=r"no method 'fxied'; METHODS can be .*fixed"):
        run(data, "--methods", "fxied")


def test_every_row_with_a_model_is_chosen_but_those_that_never_learned(models):
    params = load_params()
    chosen, absent = choose(params, [])
    assert "random" not in chosen
    assert {"protonet", "fixed", "all", "finetuned"} <= set(chosen)
    assert absent == []
    (models / "meta/models/protonet/1-shot.safetensors").unlink()
    assert choose(params, [])[1] == ["ProtoNet"]
    assert choose(params, ["random", "ft_all"])[0] == {"random": ["random"], "all": ["ft_all"]}


def test_without_a_pipeline_a_packaged_network_becomes_a_classifier(data, here, capsys):
    (data / "red/damaged.png").write_bytes(b"damaged")
    run(data)
    table = pd.read_csv("evaluation/evaluation.csv").set_index("classifier")
    assert set(table.index) == {"pixels", "colours", "hog", "lite0", "lite0_stages"}
    assert table["written"].sum() == 1
    assert table.loc["colours", "accuracy"] == 100
    report = Path("evaluation/report.md").read_text()
    assert "27 images of 3 classes" in report
    assert "always saying the largest class is right in 33.3 %" in report
    assert "red/damaged.png (not an image that Pillow knows)" in report
    described = read_json(Path("evaluation/classifier/classifier.json"))
    assert described["facts"]["accuracy"] == pytest.approx(
        table.loc[table["written"], "accuracy"].item(), abs=0.01
    )
    assert described["facts"]["class_images"] == {"blue": 9, "green": 9, "red": 9}
    assert "Apache-2.0" in described["facts"]["licence"]
    assert Path("evaluation/classifier/model.onnx").stat().st_size > 1000
    capsys.readouterr()
    assert not predict.main(Path("evaluation/classifier"), [data])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [Path(row["path"]).parent.name for row in rows] == [row["class"] for row in rows]


def test_without_a_packaged_network_the_user_is_told_what_to_add(data, here):
    write_params(here, "~networks.given.lite0")
    with pytest.raises(InputError, match=r"from a package \(it has random\).*METHODS=all"):
        run(data)


def test_from_a_folder_of_images_to_a_classifier_that_names_new_ones(data, models, here, capsys):
    (data / "red/damaged.png").write_bytes(b"damaged")
    run(data, "--methods", "all", "--shots", "3")
    table = pd.read_csv("evaluation/evaluation.csv").set_index("method")
    assert set(table.index) == {"protonet", "fixed", "ft_all", "transductive", "mean_centroid"} | {
        "all_embeddings",
        "ims_f",
    }
    assert table.loc["fixed", "episodes"] == table.loc["protonet", "episodes"] == 6
    assert table.loc["ft_all", "episodes"] == table.loc["ims_f", "episodes"] == 2
    assert (table["seconds"] > 0).all()
    report = Path("evaluation/report.md").read_text()
    assert "3 images of each" in report
    assert "red/damaged.png (not an image that Pillow knows)" in report
    described = read_json(Path("evaluation/classifier/classifier.json"))
    assert described["class_names"] == ["blue", "green", "red"]
    assert described["facts"]["class_images"] == {"blue": 9, "green": 9, "red": 9}
    assert "Apache-2.0" in described["facts"]["licence"]
    capsys.readouterr()

    assert not predict.main(Path("evaluation/classifier"), [data])
    out, err = capsys.readouterr()
    assert "red/damaged.png: not an image" in err
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 27
    assert all(Path(row["path"]).parent.name == row["class"] for row in rows)
    assert all(1 / 3 < float(row["probability"]) <= 1 for row in rows)
    assert predict.main(Path("evaluation/classifier"), [data / "red/0.png"])
    with pytest.raises(InputError, match="nowhere does not exist"):
        predict.main(Path("evaluation/classifier"), [here / "nowhere"])


@pytest.mark.parametrize("method", ["protonet", "fixed", "ft_all", "mean_centroid"])
def test_every_method_of_one_network_becomes_a_classifier(data, models, method):
    run(data, "--methods", method, "--out", "out")
    _, description = load_classifier(Path("out/classifier"))
    assert description.facts["method"] == load_params().fewshot.rows[method].title
    assert Path("out/classifier/model.onnx").stat().st_size > 1000


def test_models_of_other_parameters_are_not_used(models, here):
    write_params(here, "image_size=17")
    with pytest.raises(InputError, match=r"trained with other parameters than those of params/"):
        choose(load_params(), [])


def test_a_method_that_is_no_single_network_is_not_exported(data, models, monkeypatch):
    fewshot = load_params().fewshot
    assert not any(exportable(fewshot, row) for row in ("transductive", "all_embeddings", "ims_f"))
    run(data, "--methods", "transductive")
    assert "no classifier is written" in Path("evaluation/report.md").read_text()
    assert not Path("evaluation/classifier").exists()

    monkeypatch.setattr(evaluate, "recommend", lambda ranking, seconds: max(ranking["method"]))
    run(data, "--methods", "transductive,fixed")
    report = Path("evaluation/report.md").read_text()
    assert "**Recommended: Transductive Ft**" in report
    assert "`classifier/` is Fixed" in report


@pytest.mark.parametrize("exported", [False, True])
def test_a_third_learner_is_exported_if_it_says_so(data, models, monkeypatch, exported):
    class Third(NearestCentroid):
        exportable = exported

    monkeypatch.setattr("farfield.transfer.nearest_centroid.Third", Third, raising=False)
    monkeypatch.setitem(FEATURE_LEARNERS.objects, "third", "nearest_centroid.Third")
    path = Path("params/fewshot.json")
    values = read_json(path)
    values["fewshot"]["transfer"]["fixed"] |= {"learner": "third", "settings": {}}
    write_json(path, values)
    run(data, "--methods", "fixed")
    assert Path("evaluation/classifier").exists() == exported
    assert ("no classifier is written" in Path("evaluation/report.md").read_text()) == (not exported)


def test_a_folder_of_the_user_is_never_replaced(data, models, here):
    (here / "evaluation/classifier").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds no classifier\.json"):
        run(data)
    with pytest.raises(InputError, match="lies inside"):
        run(data, "--out", str(data / "out"))


def results(**accuracies: list[float]) -> pd.DataFrame:
    frames = [
        pd.DataFrame({"method": name, "episode": range(len(values)), "accuracy": values})
        for name, values in accuracies.items()
    ]
    return pd.concat(frames).assign(dataset="mine", shot=5)


def scores(**accuracies: list[float]) -> pd.DataFrame:
    return of_episodes("own images", results(**accuracies))


def test_the_cheapest_of_the_best_is_recommended():
    hard = np.random.default_rng(0).normal(60, 15, 50)
    noise = np.random.default_rng(1).normal(0, 1, 50)
    table = scores(good=hard + 10, close=hard + 10 + noise - noise.mean() - 0.1, cheap=hard)
    ranking = rank(table, ["cheap", "close", "good"], seed=0)
    assert ranking["method"].tolist() == ["good", "close", "cheap"]
    assert ranking["tied"].tolist() == [True, True, False]
    assert ranking["difference"].tolist() == pytest.approx([0, -0.1, -10])
    assert recommend(ranking, {"good": 9.0, "close": 3.0, "cheap": 1.0}) == "close"
    assert recommend(ranking, {"good": 3.3, "close": 3.0, "cheap": 1.0}) == "good"


def test_methods_with_fewer_episodes_are_judged_on_the_episodes_that_they_share():
    hard = np.random.default_rng(0).normal(60, 15, 50)
    hard[:10] += 20  # the first episodes are easy
    ranking = rank(scores(frozen=hard, adapted=(hard - 5)[:10]), ["adapted", "frozen"], seed=0)
    assert ranking["method"].tolist() == ["frozen", "adapted"]
    assert ranking["difference"].tolist() == pytest.approx([0, -5])


def test_after_few_episodes_a_clearly_lower_accuracy_is_no_tie():
    ranking = rank(scores(good=[80.0, 90, 70], low=[90.0, 40, 60]), ["good", "low"], seed=0)
    assert ranking["tied"].tolist() == [True, False]


def test_a_single_method_is_its_own_best():
    assert rank(scores(only=[50.0, 60]), ["only"], seed=0)["method"].tolist() == ["only"]
