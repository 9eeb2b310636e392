"""Real images in official layouts: what arrives and is indexed must be what each card expects."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from pydantic import TypeAdapter

from farfield.datasets.cards import Card
from farfield.datasets.download import fetch
from farfield.datasets.layouts import LAYOUTS, read_images

CONF = Path(__file__).parents[2] / "conf"
SLUGS = sorted(path.stem for path in (CONF / "dataset/mirror").glob("*.yaml") if path.stem != "cleared")


@pytest.mark.mirror
@pytest.mark.parametrize("slug", SLUGS)
def test_a_sample_is_what_its_card_expects(slug, mirror, tmp_path):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=[f"+dataset/mirror@card={slug}"])
    card = TypeAdapter(Card).validate_python(OmegaConf.to_container(config.card, resolve=True))
    for name, archive in card.archives.items():
        line = fetch(name, archive, tmp_path / name, str(mirror), card.access, progress=False)
        assert "sha256 verified" in line

    index = LAYOUTS[card.layout](tmp_path, card.options)
    rows, modes, shortest = [], set(), []
    for row, data in read_images(tmp_path, index):
        image = Image.fromarray(data) if isinstance(data, np.ndarray) else Image.open(io.BytesIO(data))
        rows.append(row)
        modes.add(image.mode)
        shortest.append(min(image.size))
    assert sorted(rows) == list(range(len(index.records)))

    expected = card.expected
    counts = Counter(index.class_names[record.label] for record in index.records)
    assert len(rows) == expected.images
    assert len(index.class_names) == len(counts) == expected.classes
    assert min(counts.values()) == expected.fewest_images
    assert not expected.class_images or counts == expected.class_images
    assert modes == set(expected.modes)
    assert min(shortest) == expected.shortest_side
