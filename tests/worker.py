"""One worker in a process of its own, on tiny runs. Started by tests/test_runs.py.

    python tests/worker.py FOLDER SEEDS [kill | wait]

It works off the runs of these seeds and prints the name of each that it begins. With
``kill`` it kills itself (signal 9) in the middle of its first run's second epoch; with
``wait`` it stops for ever at that point, as a slow run would.
"""

import os
import signal
import sys
import time
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras

from srlib import data
from srlib.runs import plans, queue

HEARTBEAT, GRACE = 1, 3  # seconds


def tiny(seed, **changes):
    settings = {"train_photos": 4, "val_photos": 2, "epochs": 3, "batch_size": 2}
    return plans.RunConfig("basic_x2", seed, **(settings | changes))


def photos():
    return data.find_photos(data.sample_folder())


class Halt(keras.callbacks.Callback):
    """Stop this process in the middle of the second epoch."""

    def __init__(self, how):
        super().__init__()
        self.how = how

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1 and batch == 0:
            print("halt", flush=True)
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(3600)


def main(folder, seeds, how=""):
    run = queue.run

    def announced(config, *args, callbacks=(), **kwargs):
        print(config.name, flush=True)
        if how:
            callbacks = [*callbacks, Halt(how)]
        return run(config, *args, callbacks=callbacks, **kwargs)

    queue.run = announced
    queue.work_off(
        [tiny(int(seed)) for seed in seeds.split(",")],
        photos(),
        study="tiny",
        folder=Path(folder) / "results",
        unfinished=Path(folder) / "runs",
        weights=Path(folder),
        heartbeat=HEARTBEAT,
        grace=GRACE,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
