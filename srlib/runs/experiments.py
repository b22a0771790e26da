"""Runs: each a frozen description, each done once, each leaving one record.

``python -m srlib run --plan seeds`` works off a plan. Any number of processes may work on
the same plan: they share the work through an Optuna study (one trial a run), in a local
SQLite file unless a storage address is given. What a process leaves unfinished when it
dies is taken up again, from its last whole epoch.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from srlib import data, metrics, models, training
from srlib.runs import provenance, results
from srlib.sources import backbone, places

if TYPE_CHECKING:
    import optuna

#: Unfinished runs and the local study. Nothing in it is worth keeping once they are done.
RUNS = places.own_data() / "runs"
#: The modules that decide a run's numbers.
NUMERICS = ("training",)
#: Of the batch that the article's PSNR was averaged over.
ARTICLE_BATCH = 64

HEARTBEAT = 30  # seconds between two signs of life of a worker
GRACE = 90  # seconds without one after which its run is taken over
CONNECTIONS = 4  # attempts to open a storage that others may be opening


@dataclass(frozen=True)
class RunConfig:
    """All that decides what a run computes, but for the photos themselves.

    Attributes
    ----------
    model
        One of `models.MODELS`.
    seed
        Of the fresh weights and of the order of the photos.
    recipe
        One of `data.RECIPES`.
    changes
        Arguments of the model's function that differ from the article's, as pairs.
    label
        Names these changes in the run's name.
    x2_weight
        Of the first output's loss, the second's being ``1 - x2_weight``; ``None`` for the
        article's weights.
    loss
        See `training.fit`.
    train_photos, val_photos, epochs, batch_size
        The scale. ``None`` for all photos, and for the article's epochs.
    patience
        See `training.fit`.
    """

    model: str
    seed: int = 0
    recipe: str = "article"
    changes: tuple[tuple[str, Any], ...] = ()
    label: str = ""
    x2_weight: float | None = None
    loss: str = "mse"
    train_photos: int | None = 1000
    val_photos: int | None = 200
    epochs: int | None = 6
    batch_size: int = 16
    patience: int | None = None

    @property
    def name(self) -> str:
        """Name the run after what it does: ``atrous-w0.1-article-1000x6-s0``."""
        photos = "all" if self.train_photos is None else self.train_photos
        parts = [
            self.model,
            self.label,
            "" if self.x2_weight is None else f"w{self.x2_weight:g}",
            "" if self.loss == "mse" else self.loss,
            self.recipe,
            f"{photos}x{self.total_epochs}",
            f"s{self.seed}",
        ]
        return "-".join(part for part in parts if part)

    @property
    def total_epochs(self) -> int:
        """Epochs to train: the article's unless told otherwise."""
        return self.epochs or models.MODELS[self.model].epochs

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight of each output's loss."""
        article = models.MODELS[self.model].loss_weights
        if self.loss == "psnr":  # which has no weights to choose
            return dict.fromkeys(article, 1.0)
        if self.x2_weight is None:
            return dict(article)
        return {"x2": self.x2_weight, "x4": round(1 - self.x2_weight, 6)}

    @property
    def keeps_weights(self) -> bool:
        """Whether the trained model is kept: the article's networks, of the first seed.

        Of its own scale those of every seed: how a long run went wrong can be looked at.
        """
        as_published = not self.changes and self.x2_weight is None and self.loss == "mse"
        first = self.seed == 0 or self.train_photos is None
        return as_published and self.recipe == "article" and first

    @property
    def work(self) -> float:
        """Estimate the cost: parameters times photos seen. Good for a time left."""
        photos = self.train_photos or 4011
        return models.MODELS[self.model].trainable * photos * self.total_epochs


# --- The plans -------------------------------------------------------------------------


def plan(name: str) -> list[RunConfig]:
    """List the runs of a plan, in the order in which they are worked off.

    ``article``
        Every model as the article ran it: all photos, its epochs, weights and recipe. A
        run stops when its validation loss has been flat for four epochs. Models 4 and 5,
        whose starts decide so much, from five seeds, Model 1 from three, the rest from two.
    ``seeds``
        Every model from five seeds with the article's recipe, and from three with the
        antialiased one, at a reduced scale.
    ``causes``
        One change at a time, three seeds each, at the same scale.
    ``weights``
        Models 3 and 4 over the weight of the first output, three seeds each, and with the
        logarithm of each error instead of weights.

    Raises
    ------
    ValueError
        If there is no such plan. The message lists those that there are.
    """
    if name not in PLANS:
        raise ValueError(f"Unknown plan {name!r}. Known: {', '.join(PLANS)}.")
    return list(PLANS[name]())


#: Seeds of a network at the article's own scale, by its number.
ARTICLE_SEEDS = {1: 3, 2: 2, 3: 2, 4: 5, 5: 5}


def _article() -> Iterator[RunConfig]:
    for model, spec in models.MODELS.items():
        for seed in range(ARTICLE_SEEDS[spec.article_number]):
            yield RunConfig(
                model,
                seed,
                train_photos=None,
                val_photos=None,
                epochs=None,
                batch_size=64,
                patience=4,
            )


def _seeds() -> Iterator[RunConfig]:
    for seed in range(5):
        for recipe in data.RECIPES:
            if recipe == "article" or seed < 3:
                yield from (RunConfig(m, seed, recipe) for m in models.MODELS)


HEALTHY = {"x4_from": "trunk", "output_activation": None}

#: By model: what is changed, one thing at a time, and what that is called.
CAUSES: dict[str, dict[str, dict[str, Any]]] = {
    "basic": {"head3x3": {"head_size": 3}},
    "residual": {"no_skip": {"skip": False}},
    "atrous": {"rates111": {"rates": (1, 1, 1)}, "rates222": {"rates": (2, 2, 2)}},
    "efficientnet_1": {
        "trunk": {"x4_from": "trunk"},
        "identity": {"start_at_identity": True},
        "linear": {"output_activation": None},
    },
    "efficientnet_4": {
        "trunk": {"x4_from": "trunk"},
        "identity": {"start_at_identity": True},
        "linear": {"output_activation": None},
        # The backbones are compared where nothing hides what they are worth: no wire
        # between the outputs, and no output that can die.
        "healthy": HEALTHY,
        "healthy_lite0": {**HEALTHY, "backbone": "imagenet-lite0"},
        "healthy_lite0_norm": {
            **HEALTHY,
            "backbone": "imagenet-lite0",
            "preprocess": "imagenet",
        },
        "healthy_scratch": {**HEALTHY, "backbone": "scratch"},
        "healthy_plain": {**HEALTHY, "backbone": "plain"},
    },
    "depth_to_space": {"trunk": {"x4_from": "trunk"}},
}


def _causes() -> Iterator[RunConfig]:
    for seed in range(3):
        for model, variants in CAUSES.items():
            for label, changes in variants.items():
                yield RunConfig(model, seed, changes=tuple(changes.items()), label=label)


#: Of the first output. The article's are 0.3 for Model 3 and 0.65 for Model 4.
X2_WEIGHTS = {
    "atrous": (0.1, None, 0.5, 0.7, 0.9),
    "efficientnet_4": (0.1, 0.3, 0.5, None, 0.9),
}


def _weights() -> Iterator[RunConfig]:
    for seed in range(3):
        for model, sweep in X2_WEIGHTS.items():
            yield from (RunConfig(model, seed, x2_weight=weight) for weight in sweep)
            yield RunConfig(model, seed, loss="psnr")


PLANS: dict[str, Callable[[], Iterator[RunConfig]]] = {
    "seeds": _seeds,
    "causes": _causes,
    "weights": _weights,
    "article": _article,
}


# --- One run ---------------------------------------------------------------------------


def run(
    config: RunConfig,
    photos: data.Photos,
    *,
    folder: Path | None = None,
    unfinished: Path | None = None,
    weights: Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> results.Record:
    """Do one run and write its record; if the record is there, only read it.

    Parameters
    ----------
    config
        What to do.
    photos
        What to do it with; `config` says how many of them.
    folder
        Where records are kept, a subfolder a dataset. The course's own by default.
    unfinished
        Where a run keeps what it needs to go on, while it is not done.
    weights
        Where trained weights are kept, of the runs that keep any.
    callbacks
        Passed on to Keras.

    Raises
    ------
    data.DataError
        If there are fewer photos than the run needs.
    """
    code = _code_digest()
    folder, unfinished = folder or results.RESULTS, unfinished or RUNS
    file = record_file(config, photos.name, folder)
    if file.exists():
        return results.read(file)
    unfinished.mkdir(parents=True, exist_ok=True)
    checkpoint = unfinished / f"{config.name}.npz"
    clock = _Clock(unfinished / f"{config.name}.seconds")
    # The same numbers each time, also after a stop.
    tf.config.experimental.enable_op_determinism()
    photos = photos.take(config.train_photos, config.val_photos)
    train, val, baselines = _pairs(photos, config.recipe)
    model = models.build(config.model, seed=config.seed, **dict(config.changes))
    at_birth = black_shares(model, val)
    history = training.fit(
        model,
        train,
        val,
        epochs=config.total_epochs,
        batch_size=config.batch_size,
        loss=config.loss,
        loss_weights=config.loss_weights,
        seed=config.seed,
        patience=config.patience,
        checkpoint=checkpoint,
        callbacks=[clock, *callbacks],
    )
    record = results.Record(
        name=config.name,
        model=config.model,
        article_number=models.MODELS[config.model].article_number,
        changes=dict(config.changes),
        dataset=photos.name,
        recipe=config.recipe,
        seed=config.seed,
        loss=config.loss,
        loss_weights=config.loss_weights,
        epochs=config.total_epochs,
        batch_size=config.batch_size,
        patience=config.patience,
        stopped_early=len(history["loss"]) < config.total_epochs,
        train_images=len(train),
        val_images=len(val),
        backbone=backbone.backbone_kind(model),
        parameters=model.count_params(),
        trainable_parameters=sum(w.numpy().size for w in model.trainable_weights),
        history=history,
        **_scores(model, val),
        baselines={head: baselines[head] for head in model.output},
        black={"start": at_birth, "end": black_shares(model, val)},
        seconds=round(clock.total(), 1),
        versions=provenance.versions(),
        srlib_digest=code,
        data_digest=photos_digest([*photos.train, *photos.val]),
    )
    if config.keeps_weights:
        save_weights(model, config.name, weights)
    results.write(record, folder)
    for leftover in (checkpoint, clock.file):
        leftover.unlink(missing_ok=True)
    return record


def record_file(config: RunConfig, dataset: str, folder: Path | None = None) -> Path:
    """Say where the record of a run is, or will be."""
    return (folder or results.RESULTS) / dataset / f"{config.name}.json"


@lru_cache
def _code_digest() -> str:
    """Digest the code as it was when this process began to run, not as it is by now."""
    return provenance.srlib_digest(NUMERICS)


@lru_cache(maxsize=1)  # one run after the other uses the same photos
def _pairs(
    photos: data.Photos, recipe: str
) -> tuple[data.Pairs, data.Pairs, dict[str, dict[str, list[float]]]]:
    train, val = (data.load_pairs(photos, part, recipe) for part in ("train", "val"))
    baselines = training.score_baselines(val)
    lists = {
        head: {method: scores.tolist() for method, scores in by_method.items()}
        for head, by_method in baselines.items()
    }
    return train, val, lists


def _scores(model: keras.Model, val: data.Pairs) -> dict[str, dict[str, Any]]:
    """Score a trained model on the validation pairs, a batch of the article at a time."""
    per_image: dict[str, list[float]] = {head: [] for head in model.output}
    ssim: dict[str, list[float]] = {head: [] for head in model.output}
    by_batch: dict[str, list[float]] = {head: [] for head in model.output}
    for start in range(0, len(val), ARTICLE_BATCH):
        part = val[start : start + ARTICLE_BATCH]
        raw = model.predict_on_batch(data.as_float(part.lr))
        for head, picture in raw.items():
            target = data.as_float(getattr(part, head))
            by_batch[head].append(metrics.batch_psnr(target, picture))
            picture = np.clip(picture, 0, 1)
            per_image[head] += metrics.psnr(target, picture).tolist()
            ssim[head] += metrics.ssim(target, picture).tolist()
    return {
        "per_image": per_image,
        "psnr_db": {head: float(np.mean(scores)) for head, scores in per_image.items()},
        "ssim": {head: float(np.mean(scores)) for head, scores in ssim.items()},
        "article_psnr_db": {h: float(np.mean(scores)) for h, scores in by_batch.items()},
    }


def black_shares(model: keras.Model, val: data.Pairs) -> dict[str, list[float]]:
    """Return by output which share of each colour's pixels is 0 or below, over 64 photos.

    A colour at 1.0 is black in every pixel. Behind a ReLU no gradient reaches it.
    """
    raw = model.predict_on_batch(data.as_float(val[:ARTICLE_BATCH].lr))
    return {head: np.mean(p <= 0, axis=(0, 1, 2)).tolist() for head, p in raw.items()}


class _Clock(keras.callbacks.Callback):
    """Note how long each epoch took, in a file that outlives this process."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        with self.file.open("a", encoding="ascii") as file:
            file.write(f"{time.perf_counter() - self.started:.3f}\n")

    def total(self) -> float:
        lines = self.file.read_text(encoding="ascii").split() if self.file.exists() else []
        return sum(map(float, lines))


def photos_digest(files: Iterable[Path]) -> str:
    """Digest the names and the contents of photos."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[: provenance.DIGEST_LENGTH]


# --- Trained weights -------------------------------------------------------------------


def save_weights(model: keras.Model, name: str, folder: Path | None = None) -> Path:
    """Save a trained model and list its SHA-256."""
    folder = folder or backbone.WEIGHTS_FOLDER
    file = folder / f"{name}.keras"
    part = folder / f"{name}.part.keras"
    model.save(part)
    part.replace(file)
    listing = folder / "SHA256SUMS"
    known = listing.read_text(encoding="ascii").splitlines() if listing.exists() else []
    kept = [line for line in known if line.split()[1] != file.name]
    lines = [*kept, f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"]
    part = listing.with_suffix(".part")
    part.write_text(
        "\n".join(sorted(lines, key=lambda line: line.split()[1])) + "\n", "ascii"
    )
    part.replace(listing)
    return file


def load_trained(name: str, folder: Path | None = None) -> tuple[keras.Model, RunConfig]:
    """Load a network of the article as it was trained at the largest scale so far.

    Networks are there to be compared, so a scale counts once all of them were trained at
    it. Before that the next smaller one does.

    Parameters
    ----------
    name
        One of `models.MODELS`.

    Returns
    -------
    model, config
        The trained network, and the run that trained it.

    Raises
    ------
    backbone.WeightsError
        If there is no such file, or it is not the one that was listed.
    """
    folder = folder or backbone.WEIGHTS_FOLDER
    scales = [
        [c for c in plan(p) if c.keeps_weights and c.seed == 0]
        for p in ("article", "seeds")
    ]

    def is_there(config: RunConfig) -> bool:
        return (folder / f"{config.name}.keras").exists()

    scales.sort(key=lambda scale: not all(map(is_there, scale)))  # complete ones first
    kept = [config for scale in scales for config in scale if config.model == name]
    found = list(filter(is_there, kept))
    if not found:
        names = " or ".join(f"{c.name}.keras" for c in kept)
        raise backbone.WeightsError(
            f"{folder} holds no trained weights of {name!r}, expected {names}. "
            f"`python -m srlib run --plan article` makes them."
        )
    file = folder / f"{found[0].name}.keras"
    backbone.check_listed(file)
    return keras.saving.load_model(file, compile=False, safe_mode=True), found[0]


# --- Many runs, many workers -----------------------------------------------------------


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
