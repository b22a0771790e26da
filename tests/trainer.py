"""Train a little in a process of its own and print the curves. Started by test_devices.py.

    python tests/trainer.py MODEL LOSS [DEVICES]

DEVICES is how many logical processors share the batch; with TF_CONFIG, machines do. With
"xla" Keras is told that there is a GPU, so that it lets XLA compile, for the processor.
"""

import json
import os
import sys
from types import SimpleNamespace

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

from srlib import data, models, training
from srlib.fast import devices


def pairs(count, seed):
    pictures = data.dead_leaves(count, 64, seed)
    made = [data.make_pair(p, "antialiased", lr_size=8) for p in pictures]
    return data.Pairs(*(np.stack(size) for size in zip(*made, strict=True)))


class Watch(keras.callbacks.Callback):
    """See whether XLA compiles."""

    def on_train_begin(self, logs=None):
        self.xla = self.model.jit_compile


def pretend_gpu():
    listed, gpu = tf.config.list_physical_devices, SimpleNamespace(device_type="GPU")
    tf.config.list_physical_devices = lambda kind=None: (
        listed(kind) if kind else [*listed(), gpu]
    )


def main(name, loss, count="1"):
    on = devices.choose(4)  # before anything else: TF_CONFIG wants its port first
    if count == "xla":
        pretend_gpu()
    elif int(count) > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * int(count)
        tf.config.set_logical_device_configuration(processor, parts)
        names = [f"CPU:{k}" for k in range(int(count))]
        on = devices.Devices(tf.distribute.MirroredStrategy(names))
    # 7 pairs by fours: of the last batch one device gets a smaller part.
    watch = Watch()
    settings = {"epochs": 2, "batch_size": 4, "loss": loss, "on": on, "callbacks": [watch]}
    model = models.build(name, seed=1)
    curves = training.fit(model, pairs(7, 0), pairs(6, 1), **settings)
    weights = [float(np.abs(weight).sum()) for weight in model.get_weights()]
    found = {"curves": curves, "weights": weights, "replicas": on.replicas}
    print(json.dumps({**found, "xla": watch.xla}))


if __name__ == "__main__":
    main(*sys.argv[1:])
