"""See that an installed srlib works: every module, and every network trained and kept."""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

import srlib
from srlib import data, models, training, zoo
from srlib.fast import small


def main() -> None:
    """Raise where something does not work."""
    tf.get_logger().setLevel("ERROR")
    assert "site-packages" in srlib.__file__, f"not the wheel: {srlib.__file__}"
    for module in pkgutil.walk_packages(srlib.__path__, "srlib."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    pictures = data.dead_leaves(4, 128)
    stacks = zip(*(data.make_pair(p, lr_size=16) for p in pictures), strict=True)
    pairs = data.Pairs(*map(np.stack, stacks))
    for name in zoo.NETWORKS:
        model = models.build(name, seed=0)
        curves = training.fit(model, pairs, pairs, epochs=1, batch_size=3)
        assert all(np.isfinite(values).all() for values in curves.values()), name
        drawn = model(data.as_float(pairs.lr))
        form, _ = small.small_form(model)
        assert form.count_params() == model.count_params(), name
        with tempfile.TemporaryDirectory() as folder:
            model.save(file := Path(folder) / "model.keras")
            again = keras.models.load_model(file, safe_mode=True)(data.as_float(pairs.lr))
        for head, picture in drawn.items():
            assert np.abs(picture - again[head]).max() < 1e-6, (name, head)
    print(
        f"Python {sys.version.split()[0]}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}, NumPy {np.__version__}, OpenCV {cv2.__version__}: "
        f"{len(zoo.NETWORKS)} networks trained, saved and loaded."
    )


main()
