"""WikiArt by artist: which artists are classes, and which of their paintings are for the test."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from made_up_archives import index_of, named, pack

from farfield.errors import InputError


def pack_wikiart(raw: Path, rows: list[str], images: list[str] | None = None) -> None:
    half = len(rows) // 2
    for name, part in (("style_train.csv", rows[:half]), ("style_val.csv", rows[half:])):
        (raw / name).write_text("".join(f"{row},3\n" for row in part))
    pack(raw / "wikiart.zip", named(*(f"wikiart/{row}" for row in (rows if images is None else images))))


def test_the_rule_of_the_artists_gives_the_published_counts(tmp_path):
    # 195 artists with 52,757 rows, as many as on the lists; the other 28,689 rows by artists with fewer.
    counts = [101] * 95 + [102] + [435] * 98 + [430] + [99] * 289 + [78]
    rows = [f"Cubism/artist-{a:03d}_work-{n}.jpg" for a, count in enumerate(counts) for n in range(count)]
    assert len(rows) == 81_446
    pack_wikiart(tmp_path, rows, images=[row for row in rows if row < "Cubism/artist-195"])
    index = index_of("wikiart", tmp_path)
    assert len(index.class_names) == 195
    assert Counter(record.split for record in index.records) == {"train": 42_129, "test": 10_628}
    train = Counter(record.label for record in index.records if record.split == "train")
    assert [train[label] for label in range(195)] == [math.floor(0.8 * count) for count in counts[:195]]


def test_copies_of_a_painting_may_be_kept_on_one_side(tmp_path):
    rows = [
        f"{style}/{a}_{n}.jpg" for style in ("Cubism", "Realism") for a in ("ant", "bee") for n in range(20)
    ]
    pack_wikiart(tmp_path, rows)
    sides: dict[str, defaultdict[str, set[str]]] = {}
    for dedupe in ("none", "group"):
        sides[dedupe] = defaultdict(set)
        index = index_of("wikiart", tmp_path, fewest=40, dedupe=dedupe)
        assert index.class_names == ("ant", "bee")
        assert Counter(record.split for record in index.records) == {"train": 64, "test": 16}
        for record in index.records:
            sides[dedupe][Path(record.path).name].add(record.split)
    assert {len(splits) for splits in sides["group"].values()} == {1}
    assert {len(splits) for splits in sides["none"].values()} == {1, 2}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["Cubism/ant_1.jpg"], {}, "no artist has 100 rows in the lists; the most are 1"),
        (
            ["Cubism/ant.jpg"],
            {},
            r"line 1: found 'Cubism/ant\.jpg,3'; expected <Style>/<artist>_",
        ),
        (["Cubism/ant_1.jpg", "ant_2.jpg"], {}, r"style_val\.csv, line 1: found 'ant_2\.jpg,3'"),
        (["Cubism/ant_1.jpg"], {"dedupe": "all"}, "option dedupe .* is 'all'; the choices are none, group"),
    ],
)
def test_what_is_wrong_with_the_lists_of_wikiart_is_named(tmp_path, rows, options, message):
    pack_wikiart(tmp_path, rows)
    with pytest.raises(InputError, match=message):
        index_of("wikiart", tmp_path, **options)


def test_a_painting_that_is_listed_and_not_there_is_named(tmp_path):
    pack_wikiart(tmp_path, [f"Cubism/ant_{n}.jpg" for n in range(4)], images=["Cubism/ant_0.jpg"])
    with pytest.raises(InputError, match=r"style_train\.csv or .* names images .*Cubism/ant_1\.jpg"):
        index_of("wikiart", tmp_path, fewest=4)
