"""Parameters: unknown keys and impossible values are refused, by name."""

import copy
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import farfield
from commands.choices import check_choices
from commands.compose import composed, texts
from commands.record import fresh_record, recorded
from farfield.errors import InputError
from farfield.local import load_local
from farfield.registry import Registry
from farfield.transfer import feature_learners
from stages.frame.params import check_params, load_params


@cache
def tiny():
    return composed(fresh_record("tiny"))


def changed(key: str, value):
    """The parameters of the profile tiny, with one of them changed or added."""
    values = copy.deepcopy(tiny())
    *path, last = key.split(".")
    section = values
    for part in path:
        section = section[part]
    section[last] = value
    return values


def test_adapters_on_views_are_refused():
    values = changed("fewshot.finetune.all.viewed", True)
    adaptation = values["fewshot"]["finetune"]["all"]
    adaptation["settings"]["tsa"] = {}
    adaptation["rows"] = {"ft_all": adaptation["rows"]["ft_all"]}
    with pytest.raises(
        InputError, match=r"fewshot\.finetune\.all\.settings\.tsa: adapters see each image once"
    ):
        check_choices(check_params(values, "params"))


def test_views_are_of_a_dataset():
    with pytest.raises(InputError, match=r"fewshot\.views\.leafs: there is no such dataset"):
        composed(recorded(["++fewshot.views.leafs=[plain,near]"], fresh_record("tiny")))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("fewshot.wya", 5, r"fewshot\.wya: there is no such parameter"),
        ("recipes.pretraining.epoch", 3, r"recipes\.pretraining\.epoch: there is no such"),
        (
            "networks.trained.objects.changes",
            {"epoch": 3},
            r"networks\.trained\.objects\.recipe\.epoch: there is no",
        ),
        (
            "networks.trained.objects.recipe",
            "pretrain",
            r"trained\.objects\.recipe is 'pretrain', which is not",
        ),
        (
            "fewshot.targets.leaves.shots",
            [5, -1],
            r"fewshot\.targets\.leaves\.shots\.1: .*greater than 0, found -1",
        ),
        ("fewshot.way", 1, r"fewshot\.way: .*greater than 1, found 1"),
        (
            "networks.trained.objects.changes",
            {"learning_rate": -1.0},
            r"objects\.recipe\.learning_rate: input should be greater than 0, found -1",
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
        (
            "recipes.pretraining.weight_decay",
            -1.0,
            r"pretraining\.weight_decay: .* greater than or equal to 0, found -1",
        ),
        ("recipes.pretraining.augmentation.area", [2, 0], r"area must be two rising shares"),
        ("fewshot.transfer.fixed.model", "imagenet", r"transfer\.fixed\.model is 'imagenet'.*objects"),
        ("fewshot.meta.protonet.source", "leaves", r"meta\.protonet\.source needs a dataset of role source"),
        ("fewshot.ensemble.finetuned.models", ["objcts"], r"ensemble\.finetuned\.models\.0 is 'objcts'"),
        ("fewshot.finetune.all.settings.unit", "stage", r"settings\.unit: .*found 'stage'"),
        (
            "fewshot.views.leaves",
            ["mirrored", "plain"],
            r"views\.leaves begins with 'mirrored'; the first view",
        ),
        ("fewshot.views.leaves", ["plain", "plain"], r"views\.leaves: 'plain' is given twice"),
        ("fewshot.views.leaves", ["plain", "flipped"], r"views\.leaves\.1: .*found 'flipped'"),
        ("fewshot.transfer.fixed.reads", "view", r"transfer\.fixed\.reads: .*found 'view'"),
        (
            "fewshot.viewed_models",
            ["objects", "imagenet"],
            r"viewed_models names 'imagenet'.*models: objects",
        ),
        (
            "fewshot.viewed_models",
            ["random"],
            r"transfer\.inductive_views reads views by 'objects', which is not one of viewed_models: random",
        ),
        (
            "fewshot.variants",
            {"ft_all": ["nobody"]},
            r"variants\.ft_all names 'nobody', which is no row of fine",
        ),
        (
            "fewshot.variants",
            {"fixed": ["ft_all_short"]},
            r"variants\.fixed names 'fixed', which is no row of fi",
        ),
        (
            "fewshot.variants",
            {"ft_all": ["transductive"]},
            r"'transductive', whose readout is 'transductive'; ft",
        ),
        (
            "fewshot.variants",
            {"ft_all": ["ft_all"]},
            r"variants\.ft_all are of a row that is itself a variant",
        ),
        (
            "fewshot.variants",
            {"ft_all_short": ["ft_all"]},
            r"names 'ft_all', which stands for the published row",
        ),
        ("fewshot.variants", {"ft_all": []}, r"variants\.ft_all: .*at least 1"),
        (
            "fewshot.variants",
            {},
            r"finetune\.all_short\.shots leaves out shots of 'ft_all_short', which is a row",
        ),
        ("fewshot.finetune.all_short.shots", [5, 50], r"all_short\.shots names 50, .*theirs are 1, 5"),
        ("fewshot.reference", "fxied", r"reference 'fxied' is not one of the rows"),
        ("networks.trained.objects.source", "imagenet", r"trained\.objects\.source names 'imagenet'"),
        ("datasets.leaves.role", "goal", r"datasets\.leaves\.role: .*found 'goal'"),
        ("datasets.leaves.licence_text", "x", r"datasets\.leaves\.licence_text: there is no such parameter"),
        ("datasets.leaves.folder", "mine", r"exactly one of archives, folder or generator"),
        (
            "recipes.pretraining.learning_rate",
            float("nan"),
            r"pretraining\.learning_rate: .*finite.*found nan",
        ),
        (
            "fewshot.transfer.fixed.settings.learning_rate",
            float("inf"),
            r"fixed\.settings\.learning_rate: .*inf",
        ),
        ("recipes.pretraining.augmentation.area", [0.1, float("inf")], r"augmentation\.area\.1: .*found inf"),
        ("fewshot.episodes", True, r"fewshot\.episodes: .*integer, found True"),
        ("recipes.pretraining.momentum", False, r"recipes\.pretraining\.momentum: .*number, found False"),
        ("recipes.pretraining.nesterov", 1, r"recipes\.pretraining\.nesterov: .*boolean, found 1"),
        ("recipes.pretraining.epochs", "5", r"recipes\.pretraining\.epochs: .*integer, found '5'"),
        ("datasets.leaves.packing", {"size": True}, r"datasets\.leaves\.packing: .*size: .*found True"),
        ("fewshot.targets.leaves.shots", [5, 5], r"fewshot\.targets\.leaves\.shots: 5 is given twice"),
        ("fewshot.models", ["objects", "objects"], r"fewshot\.models: 'objects' is given twice"),
        (
            "sharing.recommended.treemtl.budget",
            0.5,
            r"treemtl\.budget: .*greater than or equal to 1, found 0\.5",
        ),
        (
            "sharing.retrained.treemtl",
            {"title": "T", "published": "", "search": "adashare", "policies": "searched"},
            r"'treemtl' is in retrained and in recommended",
        ),
    ],
)
def test_what_is_wrong_is_named(key, value, message):
    with pytest.raises(InputError, match=message):
        check_params(changed(key, value), "params.yaml")


@pytest.mark.parametrize(
    "name", ["../x", "a;touch b", "a b", "", "$HOME", "a/b", "a\nb", "012", "-x", "a.b", "x" * 101]
)
def test_names_are_words_of_a_shell_and_of_a_path(name):
    values = copy.deepcopy(tiny())
    for group in (values["datasets"], values["fewshot"]["transfer"], values["sharing"]["baselines"]):
        group[name] = next(iter(group.values()))
    with pytest.raises(InputError) as refused:
        check_params(values, "params.yaml")
    assert str(refused.value).count("a name becomes a folder and a word of shell commands") == 3
    archives = {f"a/{name}": {"unverified": "mine"}}
    card = {**tiny()["datasets"]["leaves"], "generator": {}, "archives": archives}
    with pytest.raises(InputError, match="is no name of a file"):
        check_params(changed("datasets.leaves", card), "params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "fewshot.transfer.fixed.settings",
            {"learning_rate": True},
            r"learning_rate.* number, found True",
        ),
        (
            "spottune.methods.spottune.settings",
            {"temperature": True},
            r"temperature.* number, found True",
        ),
    ],
)
def test_settings_of_methods_are_of_the_kind_that_these_take(key, value, message):
    params = check_params(changed(key, value), "params.yaml")
    with pytest.raises(InputError, match=message):
        check_choices(params)


@pytest.mark.parametrize(
    "read", ["${oc.env:HOME}", "${now:%Y}", "x ${oc.env:NO_SUCH,1}", "${python_version:}"]
)
def test_what_only_this_machine_knows_is_no_parameter(read):
    record = fresh_record("tiny") | {"datasets": {"leaves": {"title": read}}}
    with pytest.raises(InputError, match=r"^datasets\.leaves\.title: Unsupported interpolation.*local\.yaml"):
        composed(record)
    assert OmegaConf.create({"a": "${oc.env:PATH}"}).a  # elsewhere they are as they were


def test_no_two_rows_share_a_name():
    values = copy.deepcopy(tiny())
    values["fewshot"]["transfer"]["ft_all"] = values["fewshot"]["transfer"]["fixed"]
    with pytest.raises(InputError, match=r"two rows of meta, transfer, .* are named 'ft_all'"):
        check_params(values, "params.yaml")


def test_a_missing_parameter_is_named():
    values = copy.deepcopy(tiny())
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


def test_absent_or_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no parameters; write them with"):
        load_params(tmp_path)
    (tmp_path / "fewshot.json").write_text('{"fewshot": ')
    with pytest.raises(InputError, match=r"fewshot\.json cannot be read.*commands\.compose"):
        load_params(tmp_path)


def test_what_is_written_is_read(tmp_path):
    for path, text in texts(tiny()).items():
        (tmp_path / path.name).write_text(text)
    assert load_params(tmp_path) == check_params(tiny(), "")


def test_what_is_no_number_is_refused():
    with pytest.raises(InputError, match="infinite or no number"):
        texts(changed("recipes.pretraining.learning_rate", float("inf")))


def test_changes_stand_in_place_of_a_recipes_settings():
    values = changed("networks.trained.objects.changes", {"epochs": 7, "augmentation": {"flip": 0.0}})
    recipe = check_params(values, "").networks.trained["objects"].recipe
    assert (recipe.epochs, recipe.batch_size) == (7, 16)
    assert (recipe.augmentation.flip, recipe.augmentation.jitter) == (0.0, 0.4)
    none = check_params(changed("networks.trained.objects.changes", {"augmentation": None}), "")
    assert none.networks.trained["objects"].recipe.augmentation is None


def test_an_unknown_dataset_is_named():
    with pytest.raises(InputError, match=r"no dataset 'eurosta'.*leaves"):
        check_params(tiny(), "params.yaml").card("eurosta")


def test_a_card_may_override_the_packing():
    params = check_params(changed("datasets.leaves.packing", {"resample": "lanczos"}), "params.yaml")
    assert params.packing_of("leaves").resample == "lanczos"
    assert params.packing_of("leaves").size == params.packing.size
    assert params.packing_of("radiographs").resample == "bilinear"


def test_what_does_not_compose_is_explained():
    with pytest.raises(InputError, match=r"fewshot\.wya: there is no such parameter"):
        composed(recorded(["fewshot.wya=3"], fresh_record("tiny")))
    with pytest.raises(InputError, match="pape"):
        composed(fresh_record("pape"))
    with pytest.raises(InputError, match="no learner 'svm'"):
        composed(recorded(["fewshot.transfer.fixed.learner=svm"], fresh_record("tiny")))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("networks.trained.objects.backbone", "resnet13", "resnet13"),
        ("fewshot.transfer.fixed.learner", "svm", "no learner 'svm'"),
        (
            "fewshot.finetune.all.rows.mean_centroid.settings.distance",
            "cosin",
            "mean_centroid do not fit it: distance should be 'euclidean' or 'cosine', found 'cosin'",
        ),
        (
            "fewshot.finetune.all.settings.last",
            0,
            r"all\.settings\.last: .* greater than 0, found 0",
        ),
        ("fewshot.finetune.all.settings.momentum", 0, r"settings\.momentum: there is no such parameter"),
        (
            "fewshot.ensemble.finetuned.rows.ims_f.settings.cv",
            "half",
            "ims_f do not fit it: cv should be 'released_bug' or 'intended', found 'half'",
        ),
        ("fewshot.ensemble.finetuned.rows.ims_f.settings.folds", 5, "ensemble row ims_f do not fit it"),
        ("fewshot.meta.protonet.learner", "protonets", "'protonets'"),
        (
            "indomain.rows.protonet.learner",
            "weight_generator",
            r"protonet\.own\.start is scratch, but weight_generator",
        ),
        (
            "recipes.spottune.spectral",
            0.1,
            r"spottune\.methods\.\w+\.recipe\.spectral is 0\.1, but only networks\.trained",
        ),
        ("fewshot.meta.protonet.settings.scale", 2, "settings of protonet do not fit it"),
        (
            "fewshot.transfer.fixed.settings.epochs",
            -3,
            "linear_head do not fit it: epochs should be greater than or equal to 0, found -3",
        ),
        ("fewshot.transfer.fixed.settings.epoch", 3, "settings of linear_head do not fit it"),
        ("datasets.leaves.layout", "folders", "no layout 'folders'"),
        ("datasets.leaves.generator.domain", "leafs", "'leafs'"),
        ("sharing.baselines.single_task.weighting.name", "gradnorm", "no loss weighting 'gradnorm'"),
        (
            "sharing.baselines.single_task.weighting.settings",
            {"gamma": 1},
            "settings of fixed do not fit it",
        ),
        ("sharing.baselines.constant.weighting.name", "pcgrad", "weighting must be fixed, found pcgrad"),
        (
            "sharing.recommended.treemtl.branch_before",
            [2, 1],
            r"branch_before of the sharing row treemtl must be .* from 0 to 3, found \[2, 1\]",
        ),
        (
            "sharing.branched.learning_to_branch.changes",
            {"hrad": True},
            r"sharing\.branched\.learning_to_branch.*hrad",
        ),
        (
            "fewshot.finetune.all.viewed",
            True,
            r"fewshot\.finetune\.all\.settings does not suit .* several views .* found transductive",
        ),
        (
            "fewshot.finetune.all.settings.views",
            ["plain", "near"],
            r"fewshot\.finetune\.all\.settings\.views is plain, near.*Leave it out",
        ),
        (
            "fewshot.ensemble.finetuned.adapt",
            {"views": ["plain", "near"]},
            r"fewshot\.ensemble\.finetuned\.adapt\.views is plain, near.*Leave it out",
        ),
        (
            "fewshot.ensemble.finetuned.adapt",
            {"tsa": {}},
            r"fewshot\.ensemble\.finetuned\.adapt does not suit .* found support_stages",
        ),
    ],
)
def test_choices_are_checked_before_anything_runs(key, value, message):
    with pytest.raises(InputError, match=message):
        check_choices(check_params(changed(key, value), "params"))


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


def test_a_copy_of_the_checkout_reads_its_local_yaml(tmp_path, monkeypatch):
    """As `dvc exp run --temp` makes one; DVC names the checkout. A mirror is told from where the file stands."""
    for name in ("checkout", "copy"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkout/local.yaml").write_text("workers: 3\nmirror: ../archives\n")
    monkeypatch.chdir(tmp_path / "copy")
    assert load_local().mirror is None
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "checkout"))
    local = load_local()
    assert local.workers == 3
    assert Path(local.mirror).resolve() == tmp_path / "archives"
    (tmp_path / "copy/local.yaml").write_text("mirror: http://example.org/a\n")
    assert load_local().mirror == "http://example.org/a"
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path / "checkout")
    assert load_local().mirror == "../archives"


def test_code_that_cannot_be_imported_is_one_message(monkeypatch, tmp_path):
    """As where a learner of one's own has a mistake in it."""
    text = {"missing": "import numpy_of_nobody", "cut": "def fit(:", "empty": ""}
    reason = {
        "missing": r"farfield/missing\.py, line 1: ModuleNotFoundError: No module named 'numpy_of_nobody'",
        "cut": r"farfield/cut\.py, line 1: SyntaxError",
        "empty": "AttributeError: module 'farfield.empty' has no attribute 'Mine'",
    }
    known = list(feature_learners.FEATURE_LEARNERS)
    (tmp_path / "farfield").mkdir()
    monkeypatch.setattr(farfield, "__path__", [*farfield.__path__, str(tmp_path / "farfield")])
    for name, code in text.items():
        (tmp_path / f"farfield/{name}.py").write_text(code)
        learners = Registry("learner", "farfield", dict.fromkeys(known, f"{name}.Mine"))
        monkeypatch.setattr(feature_learners, "FEATURE_LEARNERS", learners)
        with pytest.raises(InputError, match=f"fails before any stage runs: .*{reason[name]}"):
            check_choices(check_params(tiny(), "params"))
