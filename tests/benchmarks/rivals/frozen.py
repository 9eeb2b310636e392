"""What a notebook does with timm and scikit-learn: features of a frozen network, logistic regression on them."""

import csv
import sys

import numpy as np
import timm
import torch
from sklearn.linear_model import LogisticRegression
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder

weights, learned, asked, out = sys.argv[1:]
model = timm.create_model(
    "tf_efficientnet_lite0", checkpoint_path=f"{weights}/pytorch_model.bin", num_classes=0
)
model.eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
train, test = ImageFolder(learned, transform), ImageFolder(asked, transform)


@torch.inference_mode()
def features(images):
    return np.concatenate([model(batch).numpy() for batch, _ in DataLoader(images, batch_size=32)])


classifier = LogisticRegression(C=1.0, max_iter=1000).fit(features(train), train.targets)
answers = classifier.predict(features(test))
with open(out, "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["path", "class"])
    rows.writerows(
        [path, train.classes[answer]] for (path, _), answer in zip(test.samples, answers, strict=True)
    )
