"""AutoGluon's MultiModalPredictor: `multimodal.py few|tuned`, few for its own way with few images (features of a
frozen network and a support vector machine), tuned for its default."""

import sys
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor

how, weights, learned, asked, out = sys.argv[1:]


def listed(folder):
    paths = sorted(Path(folder).glob("*/*"))
    return pd.DataFrame({"path": map(str, paths), "class": [path.parent.name for path in paths]})


train, test = listed(learned), listed(asked)
kinds = {"few": "few_shot_classification", "tuned": "multiclass"}
predictor = MultiModalPredictor(label="class", problem_type=kinds[how], path=f"{out}.models")
network = {"model.names": ["timm_image"], "model.timm_image.checkpoint_name": weights}
predictor.fit(train, hyperparameters=network, seed=0)
test["class"] = predictor.predict(test[["path"]])
test.to_csv(out, index=False)
