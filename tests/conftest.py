"""What the tests share: folders of small photos and pairs made from synthetic pictures."""

import zipfile
from importlib.metadata import distribution

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from srlib import data

# The same examples in every run, and no clock: a slow machine is not a broken one. Where a
# law has corners, its test asks for more examples.
settings.register_profile(
    "tests", derandomize=True, deadline=None, database=None, max_examples=30
)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def make_photo():
    """Return a function that makes a photo: colour gradients, and noise for detail."""

    def make(seed=0, height=296, width=304):
        rng = np.random.default_rng(seed)
        y, x = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
        waves = [np.sin(rng.uniform(1, 9) * (x + rng.uniform(-1, 1) * y)) for _ in "rgb"]
        photo = 128 + 100 * np.stack(waves, axis=-1) + rng.normal(0, 5, (height, width, 3))
        return np.clip(photo, 0, 255).astype(np.uint8)

    return make


@pytest.fixture
def make_folder(make_photo):
    """Return a function that fills a folder with JPEGs named 000.jpg, 001.jpg, ..."""

    def make(folder, count=5, quality=90, **size):
        folder.mkdir(parents=True, exist_ok=True)
        for k in range(count):
            photo = Image.fromarray(make_photo(k, **size))
            photo.save(folder / f"{k:03}.jpg", quality=quality)
        return folder

    return make


@pytest.fixture(scope="session")
def make_pairs():
    """Return a function that makes pairs from dead leaves, for the networks."""

    def make(count, lr_size=8, seed=0):
        pictures = data.dead_leaves(count, 8 * lr_size, seed)
        pairs = [data.make_pair(p, "antialiased", lr_size=lr_size) for p in pictures]
        return data.Pairs(*(np.stack(size) for size in zip(*pairs, strict=True)))

    return make


def pack_again(name, version, folder):
    """Make a wheel of an installed pure package."""
    found = distribution(name)
    assert found.version == version
    wheel = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in found.files:
            if file.suffix != ".pyc" and file.name not in ("INSTALLER", "REQUESTED"):
                archive.write(file.locate(), str(file))


@pytest.fixture(scope="session")
def kaggle_dist(tmp_path_factory):
    """The folders for Kaggle; the packages of others come from here."""
    from tools.kaggle import make_kaggle

    def fetch_extras(folder):
        for requirement in make_kaggle.EXTRAS:
            pack_again(*requirement.split("=="), folder)

    folder = tmp_path_factory.mktemp("kaggle") / "dist"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_kaggle, "fetch_extras", fetch_extras)
        make_kaggle.make("ada", folder)
    return folder
