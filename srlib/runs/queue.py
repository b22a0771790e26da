"""Many runs, shared by any number of workers.

``python -m srlib run --plan seeds`` works off a plan. Any number of processes may work on
the same plan: they share the work through an Optuna study (one trial a run), in a local
SQLite file unless a storage address is given. What a process leaves unfinished when it
dies is taken up again, from its last whole epoch.
"""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from srlib import data
from srlib.runs.plans import RunConfig
from srlib.runs.runner import RUNS, DivergedError, look_up, run
from srlib.sources import places

if TYPE_CHECKING:
    import optuna

HEARTBEAT = 30  # seconds between two signs of life of a worker
GRACE = 90  # seconds without one after which its run is taken over
CONNECTIONS = 4  # attempts to open a storage that others may be opening


def missing(
    configs: Iterable[RunConfig], photos: data.Photos, folder: Path | None = None
) -> list[RunConfig]:
    """List the runs that have no record yet, or none that is sound and of these photos."""

    def is_done(config: RunConfig) -> bool:
        try:
            return look_up(config, photos, folder) is not None
        except ValueError:  # `run` deals with it, or says what to do
            return False

    return [config for config in configs if not is_done(config)]


def work_off(
    configs: Sequence[RunConfig],
    photos: data.Photos,
    *,
    study: str,
    storage: str | None = None,
    folder: Path | None = None,
    unfinished: Path | None = None,
    weights: Path | None = None,
    show: Callable[[float, str, str], None] = lambda share, name, note: None,
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
    study, storage
        Its name, which workers have to share, and the address of an Optuna storage; by
        default a SQLite file in `unfinished`.
    show
        Called with the share of the work that is done, the name of a run, and a note.
    heartbeat, grace
        In seconds.

    Raises
    ------
    ValueError
        If the storage cannot be used; at the end, if runs diverged.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    unfinished = unfinished or RUNS
    unfinished.mkdir(parents=True, exist_ok=True)
    by_name = {config.name: config for config in configs}
    diverged: dict[str, str] = {}
    if storage is None:
        file = unfinished / "study.sqlite"
        if _is_damaged(file):
            places.set_aside(file, f"{file} is damaged; it only says who does what.")
        storage = f"sqlite:///{file}"
    trials = _study(f"{study} {photos.name}", storage, heartbeat, grace)

    def tell(config: RunConfig, note: str, part: float = 0.0) -> None:
        undone = sum(c.work for c in left) - config.work * part
        show(1 - undone / sum(c.work for c in configs), config.name, note)

    def objective(trial: optuna.Trial) -> float:
        config = by_name.get(trial.user_attrs.get("run"))
        if (
            config is None
            or config.name in diverged
            or not missing([config], photos, folder)
            or _someone_else(trials, trial)
        ):
            raise optuna.TrialPruned
        epochs = config.total_epochs

        def tell_epoch(epoch: int, done: int) -> None:
            tell(config, f"epoch {epoch + 1} of {epochs}", done / epochs)

        teller = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: tell_epoch(epoch, epoch),
            on_epoch_end=lambda epoch, logs: tell_epoch(epoch, epoch + 1),
        )
        home = {"folder": folder, "unfinished": unfinished, "weights": weights}
        try:
            record = run(config, photos, **home, callbacks=[teller])
        except DivergedError as error:
            diverged[config.name] = str(error)
            raise optuna.TrialPruned from error
        left.remove(config)
        return float(np.mean(list(record.psnr_db.values())))

    while left := [c for c in missing(configs, photos, folder) if c.name not in diverged]:
        before = len(left)
        _fail_stale(trials)
        if _enqueue(trials, [config.name for config in left]):
            try:
                trials.optimize(objective, n_trials=1)
            except Exception:
                # A run that was done and could not be told of: while this worker slept,
                # another took it for dead.
                if len(left) == before:
                    raise
        else:
            tell(left[0], "another worker is doing it")
            time.sleep(heartbeat / 10)
    if diverged:
        raise ValueError("\n".join(diverged.values()))


def _is_damaged(file: Path) -> bool:
    """Whether this is no SQLite database, or a broken one; not: one that others use."""
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(file, timeout=60)) as database:
            return database.execute("PRAGMA quick_check").fetchone() != ("ok",)
    except sqlite3.OperationalError:
        return False
    except sqlite3.DatabaseError:
        return True


def _study(name: str, storage: str, heartbeat: int, grace: int) -> optuna.Study:
    import optuna

    # A writer waits for the others.
    options = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else None
    # Of workers that start together, several may try to make the same tables; all but one
    # of them fail, and find the tables there the next time.
    for _ in range(CONNECTIONS):
        try:
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
        except Exception as error:  # of SQLAlchemy, of a driver, or of Optuna
            failure = str(error).partition("\n")[0]
            time.sleep(1)
    raise ValueError(f"The storage of the study cannot be used: {failure}")


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
