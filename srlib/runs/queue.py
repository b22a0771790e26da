"""Many runs, shared by any number of workers.

``python -m srlib run --plan seeds`` works off a plan. Any number of processes may work on
the same plan: they share the work through an Optuna study (one trial a run), in a local
SQLite file unless a storage address is given. What a process leaves unfinished when it
dies is taken up again, from its last whole epoch.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from srlib import data
from srlib.runs.plans import RunConfig
from srlib.runs.runner import RUNS, record_file, run

if TYPE_CHECKING:
    import optuna

HEARTBEAT = 30  # seconds between two signs of life of a worker
GRACE = 90  # seconds without one after which its run is taken over
CONNECTIONS = 4  # attempts to open a storage that others may be opening


@dataclass
class Progress:
    """What a worker tells while it works.

    Attributes
    ----------
    configs
        The runs of the plans.
    show
        Called with the share of the work that is done, the name of a run, and a note.
    """

    configs: Sequence[RunConfig]
    show: Callable[[float, str, str], None] = lambda share, name, note: None
    done: set[str] = field(default_factory=set)

    def tell(self, name: str, note: str, part: float = 0.0) -> None:
        """Tell that `part` of the run `name` is done."""
        total = sum(c.work for c in self.configs)
        work = sum(c.work for c in self.configs if c.name in self.done)
        work += sum(c.work * part for c in self.configs if c.name == name)
        self.show(work / total, name, note)


def missing(
    configs: Iterable[RunConfig], dataset: str, folder: Path | None = None
) -> list[RunConfig]:
    """List the runs that have no record yet."""
    return [c for c in configs if not record_file(c, dataset, folder).exists()]


def work_off(
    configs: Sequence[RunConfig],
    photos: data.Photos,
    *,
    study: str,
    storage: str | None = None,
    folder: Path | None = None,
    unfinished: Path | None = None,
    weights: Path | None = None,
    show: Callable[[float, str, str], None] | None = None,
    heartbeat: int = HEARTBEAT,
    grace: int = GRACE,
) -> None:
    """Do all runs that have no record, together with whoever works on the same study.

    Returns when every run has its record. A run that another worker is doing is waited
    for, and taken over if that worker gives no sign of life for `grace` seconds.

    Parameters
    ----------
    configs, photos, folder, unfinished, weights
        See `run`.
    study
        Its name: workers share the work of a study of the same name.
    storage
        Address of an Optuna storage. By default a SQLite file in `unfinished`.
    show
        See `Progress`.
    heartbeat, grace
        In seconds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    unfinished = unfinished or RUNS
    unfinished.mkdir(parents=True, exist_ok=True)
    by_name = {config.name: config for config in configs}
    progress = Progress(configs, show or Progress.show)
    storage = storage or f"sqlite:///{unfinished / 'study.sqlite'}"
    trials = _study(f"{study} {photos.name}", storage, heartbeat, grace)

    def objective(trial: optuna.Trial) -> float:
        config = by_name.get(trial.user_attrs.get("run"))
        if (
            config is None
            or not missing([config], photos.name, folder)
            or _someone_else(trials, trial)
        ):
            raise optuna.TrialPruned
        record = run(
            config,
            photos,
            folder=folder,
            unfinished=unfinished,
            weights=weights,
            callbacks=[_Teller(progress, config)],
        )
        return float(np.mean(list(record.psnr_db.values())))

    while left := missing(configs, photos.name, folder):
        progress.done = by_name.keys() - {config.name for config in left}
        _fail_stale(trials)
        if _enqueue(trials, [config.name for config in left]):
            trials.optimize(objective, n_trials=1)
        else:
            progress.tell(left[0].name, "another worker is doing it")
            time.sleep(heartbeat / 10)


def _study(name: str, storage: str, heartbeat: int, grace: int) -> optuna.Study:
    import optuna
    import sqlalchemy.exc

    # A writer waits for the others.
    options = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else None

    def connect() -> optuna.Study:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            backend = optuna.storages.RDBStorage(
                storage,
                engine_kwargs=options,
                heartbeat_interval=heartbeat,
                grace_period=grace,
            )
        return optuna.create_study(
            storage=backend, study_name=name, direction="maximize", load_if_exists=True
        )

    # Of workers that start together, several may try to make the same tables; all but one
    # of them fail, and find the tables there the next time.
    for _ in range(CONNECTIONS - 1):
        try:
            return connect()
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError):
            time.sleep(1)
    return connect()


def _fail_stale(study: optuna.Study) -> None:
    """Mark the trials of dead workers as failed."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _enqueue(study: optuna.Study, names: list[str]) -> bool:
    """Enqueue the runs that nobody has claimed; say whether any waits to be done."""
    from optuna.trial import TrialState

    open_trials = study.get_trials(states=(TrialState.WAITING, TrialState.RUNNING))
    claimed = {trial.user_attrs.get("run") for trial in open_trials}
    for name in names:
        if name not in claimed:
            study.enqueue_trial({}, user_attrs={"run": name})
    return any(
        trial.user_attrs.get("run") in names
        for trial in study.get_trials(states=(TrialState.WAITING,))
    )


def _someone_else(study: optuna.Study, trial: optuna.Trial) -> bool:
    """Whether an earlier trial of the same run is being worked on.

    Two workers that start at the same moment may both enqueue a run. Of its trials the
    one with the lowest number goes on.
    """
    from optuna.trial import TrialState

    return any(
        other.user_attrs.get("run") == trial.user_attrs["run"]
        and other.number < trial.number
        for other in study.get_trials(states=(TrialState.RUNNING,))
    )


class _Teller(keras.callbacks.Callback):
    """Tell of each epoch, when it begins and when it ends."""

    def __init__(self, progress: Progress, config: RunConfig) -> None:
        super().__init__()
        self.progress = progress
        self.config = config

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._tell(epoch, done=epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._tell(epoch, done=epoch + 1)

    def _tell(self, epoch: int, done: int) -> None:
        total = self.config.total_epochs
        note = f"epoch {epoch + 1} of {total}"
        self.progress.tell(self.config.name, note, done / total)
