"""Segment without torch: python predict_onnx.py model.onnx image.png mask.png."""

import json
import math
import sys

import numpy as np
import onnxruntime
from PIL import Image


def starts(length: int, side: int) -> list[int]:
    """First pixels of the fewest evenly spread tiles that cover a length."""
    steps = math.ceil((length - side) / max(1, math.floor(side * (1 - overlap) + 1e-9)))
    return [(length - side) * i // max(1, steps) for i in range(steps + 1)]


def weights(side: int, blend: str) -> np.ndarray:
    """How much the pixels of a tile count, along one side."""
    at = (np.arange(side, dtype=np.float32) + 0.5) / side  # a pixel's centre
    return np.sin(np.pi * at) ** 2 if blend == "hann" else np.exp(-32 * (at - 0.5) ** 2)


model, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
spec = json.loads(session.get_modelmeta().custom_metadata_map["segx.spec"])
plan, labels, scale = spec["inference"], spec["labels"], spec["intensity"]
asked = *plan["cleaning"].values(), spec["resize"], scale["of_each_scan"]
if any(asked) or spec["neighbours"] or not labels or labels["kind"] == "multilabel":
    sys.exit(f"{model} asks for more than these lines can; segx predict can do it.")
heat = np.float32((spec.get("calibration") or {}).get("temperature", 1))
free = {"tile": 512, "overlap": 0.125}  # what the model may leave open
side, overlap = (free[k] if plan[k] == "auto" else plan[k] for k in free)
low, high, mean, std = (np.float32(scale[k]) for k in ("low", "high", "mean", "std"))
pixels = np.atleast_3d(np.asarray(Image.open(source))).astype(np.float32)
image = ((np.clip((pixels - low) / (high - low), 0, 1) - mean) / std).transpose(2, 0, 1)
tile = [min(side, math.ceil(length / 32) * 32) for length in image.shape[1:]]
missing = [(0, max(0, a - b)) for a, b in zip((0, *tile), image.shape, strict=True)]
image = np.pad(image, missing, mode="reflect")
window = np.outer(*(weights(length, plan["blend"]) for length in tile))
total, weight = np.zeros((2, len(labels["names"]), *image.shape[1:]), np.float32)
tops, lefts = map(starts, image.shape[1:], tile)
for part in [np.s_[:, y : y + tile[0], x : x + tile[1]] for y in tops for x in lefts]:
    logits = session.run(None, {"tiles": image[part][np.newaxis]})[0][0] / heat
    logits = logits if len(logits) > 1 else np.concatenate([0 * logits, logits])
    powers = np.exp(logits - logits.max(axis=0))  # a lone logit stands beside 0
    total[part] += powers / powers.sum(axis=0) * window
    weight[part] += window
mask = (total / weight).argmax(axis=0)[: pixels.shape[0], : pixels.shape[1]]
Image.fromarray(mask.astype(np.uint8)).save(target)
