"""Parameters: unknown keys and impossible values are refused, by name."""

import copy

import pytest
import yaml

from farfield.errors import InputError
from stages.compose import composed
from stages.local import load_local
from stages.params import check_params, load_params

VALUES = yaml.safe_load(composed(["profile=tiny"]))


def changed(key: str, value):
    values = copy.deepcopy(VALUES)
    *path, last = key.split(".")
    section = values
    for part in path:
        section = section[part]
    section[last] = value
    return values


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fewshot.wya", 5, r"fewshot\.wya: there is no such parameter"),
        (
            "fewshot.models.objects.recipe.epoch",
            3,
            r"fewshot\.models\.objects\.recipe\.epoch: there is no such",
        ),
        (
            "fewshot.targets.leaves.shots",
            [5, -1],
            r"fewshot\.targets\.leaves\.shots\.1: .*greater than 0, found -1",
        ),
        ("fewshot.way", 1, r"fewshot\.way: .*greater than 1, found 1"),
        (
            "fewshot.models.objects.recipe.learning_rate",
            -1.0,
            r"recipe: learning_rate must be above 0, found -1",
        ),
        ("seeds.pretrain", "x", r"seeds\.pretrain: .*integer.*found 'x'"),
        ("packing.resample", "cubic", r"packing\.resample: .*'bilinear'.*found 'cubic'"),
        ("packing.size", 8, r"packing size of objects is 8, but networks see 16 pixels"),
        (
            "datasets.leaves.packing",
            {"filter": "nearest"},
            r"datasets\.leaves\.packing: .*filter: there is no such",
        ),
        ("datasets.leaves.packing", {"resample": "cubic"}, r"datasets\.leaves\.packing: .*resample"),
        ("datasets.leaves.role", "source", r"fewshot\.targets\.leaves needs a dataset of role target"),
        ("fewshot.models.objects.recipe.weight_decay", -1.0, r"weight_decay, momentum and warmup must not"),
        ("fewshot.models.objects.recipe.augmentation.area", [2, 0], r"area must be two rising shares"),
        ("fewshot.transfer.fixed.model", "imagenet", r"transfer\.fixed\.model is 'imagenet'.*objects"),
        ("fewshot.meta.protonet.source", "leaves", r"meta\.protonet\.source needs a dataset of role source"),
        ("fewshot.ensemble.finetuned.models", ["objcts"], r"ensemble\.finetuned\.models\.0 is 'objcts'"),
        ("fewshot.finetune.all.settings.unit", "stage", r"settings\.unit: .*found 'stage'"),
        ("fewshot.reference", "fxied", r"reference 'fxied' is not one of the rows"),
        ("fewshot.models.objects.source", "imagenet", r"models\.objects\.source names 'imagenet'"),
        ("datasets.leaves.role", "goal", r"datasets\.leaves\.role: .*found 'goal'"),
        ("datasets.leaves.licence_text", "x", r"datasets\.leaves\.licence_text: there is no such parameter"),
        ("datasets.leaves.folder", "mine", r"exactly one of archives, folder or generator"),
    ],
)
def test_what_is_wrong_is_named(key, value, message):
    with pytest.raises(InputError, match=message):
        check_params(changed(key, value), "params.yaml")


def test_no_two_rows_share_a_name():
    values = copy.deepcopy(VALUES)
    values["fewshot"]["transfer"]["ft_all"] = values["fewshot"]["transfer"]["fixed"]
    with pytest.raises(InputError, match=r"two rows of meta, transfer, .* are named 'ft_all'"):
        check_params(values, "params.yaml")


def test_a_missing_parameter_is_named():
    values = copy.deepcopy(VALUES)
    del values["fewshot"]["query"]
    with pytest.raises(InputError, match=r"fewshot\.query: this parameter is missing"):
        check_params(values, "params.yaml")


def test_every_problem_is_reported_at_once():
    values = changed("fewshot.way", 0)
    values["image_size"] = -4
    with pytest.raises(InputError, match=r"(?s)image_size.*fewshot\.way"):
        check_params(values, "params.yaml")


def test_an_archive_needs_a_checksum_or_a_reason_for_none():
    archives = {"a.zip": {"path": "a.zip"}}
    values = changed("datasets.leaves.archives", archives)
    with pytest.raises(InputError, match=r"archives.*exactly one of sha256, md5 or unverified"):
        check_params(values, "params.yaml")


def test_an_absent_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml is missing; write it with"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"params\.yaml cannot be read"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_dataset_is_named():
    with pytest.raises(InputError, match=r"no dataset 'eurosta'.*leaves"):
        check_params(VALUES, "params.yaml").card("eurosta")


def test_a_card_may_override_the_packing():
    params = check_params(changed("datasets.leaves.packing", {"resample": "lanczos"}), "params.yaml")
    assert params.packing_of("leaves").resample == "lanczos"
    assert params.packing_of("leaves").size == params.packing.size
    assert params.packing_of("radiographs").resample == "bilinear"


def test_overrides_that_do_not_compose_are_explained():
    with pytest.raises(InputError, match=r"conf/ does not compose with fewshot\.wya=3"):
        composed(["fewshot.wya=3"])
    with pytest.raises(InputError, match="pape"):
        composed(["profile=pape"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fewshot.models.objects.backbone=resnet12", "resnet12"),
        ("fewshot.transfer.fixed.learner=svm", "no learner 'svm'"),
        (
            "fewshot.finetune.all.rows.mean_centroid.settings.distance=cosin",
            "distance must be euclidean or cosine, found 'cosin'",
        ),
        ("fewshot.finetune.all.settings.last=0", "last of fine-tuning must be a whole number of at least 1"),
        ("+fewshot.finetune.all.settings.momentum=0", r"settings\.momentum: there is no such parameter"),
        ("+fewshot.ensemble.finetuned.rows.ims_f.settings.cv=half", "cv must be released_bug or intended"),
        ("+fewshot.ensemble.finetuned.rows.ims_f.settings.folds=5", "ensemble row ims_f do not fit it"),
        ("fewshot.meta.protonet.learner=protonets", "'protonets'"),
        ("+fewshot.meta.protonet.settings.scale=2", "settings of protonet do not fit it"),
        (
            "fewshot.transfer.fixed.settings.epochs=-3",
            "epochs must be a whole number of at least 0, found -3",
        ),
        ("+fewshot.transfer.fixed.settings.epoch=3", "settings of linear_head do not fit it"),
        ("datasets.leaves.layout=folders", "no layout 'folders'"),
        ("datasets.leaves.generator.domain=leafs", "'leafs'"),
    ],
)
def test_choices_are_checked_before_anything_runs(override, message):
    with pytest.raises(InputError, match=message):
        composed(["profile=tiny", override])


def test_a_broken_local_yaml_is_named(tmp_path):
    for text in ("a: b: c", "- a list"):
        (tmp_path / "local.yaml").write_text(text)
        with pytest.raises(InputError, match=r"local\.yaml"):
            load_local(tmp_path / "local.yaml")


def test_the_environment_wins_over_local_yaml(tmp_path, monkeypatch):
    path = tmp_path / "local.yaml"
    path.write_text("workers: 3\nmirror: /archives\n")
    monkeypatch.setenv("FARFIELD_WORKERS", "5")
    local = load_local(path)
    assert (local.workers, local.mirror, local.device) == (5, "/archives", "auto")
    path.write_text("wrokers: 3\n")
    with pytest.raises(InputError, match="wrokers"):
        load_local(path)
