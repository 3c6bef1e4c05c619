"""One scan in memory: which voxel belongs to which region."""

import numpy as np
import pytest

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.volume import save_volume
from myelosynth.models.regions import LESION, NAWM, OTHER
from myelosynth.synthesis.config import load_task
from myelosynth.synthesis.data.manifest import Scan
from myelosynth.synthesis.data.subjects import Statistics, Subject, load_subject


def test_numbered_lesions_are_lesions_but_numbered_white_matter_is_refused(tmp_path, repository):
    grid, task = Grid((4, 4, 4), np.eye(4)), load_task(str(repository / "config" / "tasks" / "myelin.yaml"))
    image, labels = np.arange(64).reshape(grid.shape), np.zeros(grid.shape)
    labels[1], labels[2] = 1, 2
    for name, data in {"image": image, "mask": np.ones(grid.shape), "labels": labels, "nawm": labels == 0}.items():
        save_volume(tmp_path / f"{name}.nii.gz", data, grid, np.uint8)
    paths = dict.fromkeys((*task.sources, task.target), tmp_path / "image.nii.gz")
    mask, lesions, nawm = (tmp_path / f"{name}.nii.gz" for name in ("mask", "labels", "nawm"))
    regions = load_subject(Scan("sub-1", "ses-t0", paths, mask, lesions, nawm), task).regions
    assert regions[:, 0, 0].tolist() == [NAWM, LESION, LESION, NAWM]
    regions = load_subject(Scan("sub-1", "ses-t0", paths, mask, None, None), task).regions
    assert (regions == OTHER).all()
    with pytest.raises(InputError, match=r"not a mask, .*labels\.nii\.gz"):
        load_subject(Scan("sub-1", "ses-t0", paths, mask, None, lesions), task)


def test_images_that_are_not_finite_are_refused_with_file_and_count(tmp_path, repository):
    grid, task = Grid((4, 4, 4), np.eye(4)), load_task(str(repository / "config" / "tasks" / "myelin.yaml"))
    image = np.ones(grid.shape)
    save_volume(tmp_path / "mask.nii.gz", image, grid, np.uint8)
    paths = {}
    for name in (*task.sources, task.target):
        paths[name] = tmp_path / f"{name}.nii.gz"
        save_volume(paths[name], image, grid)
    for name, value in ((task.sources[1], np.nan), (task.target, np.inf)):
        ruined = image.copy()
        ruined[0, 0, :3] = value
        save_volume(paths[name], ruined, grid)
        with pytest.raises(InputError, match=rf"NaN or infinite voxels, .*{name}\.nii\.gz, 3 of 64"):
            load_subject(Scan("sub-1", "ses-t0", paths, tmp_path / "mask.nii.gz", None, None), task)
        save_volume(paths[name], image, grid)


def test_statistics_pool_the_brain_voxels_of_all_subjects():
    """A large brain weighs more than a small one; outside the brain nothing counts and everything is 0."""
    random, subjects = np.random.default_rng(0), []
    for reach in (3, 8):
        mask = np.zeros((8, 8, 8), bool)
        mask[:reach] = True
        sources = np.stack([random.normal(mean, sd, mask.shape) for mean, sd in ((5, 2), (-1e-3, 1e-4))])
        target = random.normal(1, 0.1, mask.shape)
        given = [np.where(mask, image, 1e6).astype(np.float32) for image in (*sources, target)]
        subjects.append(
            Subject("s", np.stack(given[:2]), given[2], mask, mask.astype(np.uint8), Grid((8,) * 3, np.eye(4)))
        )
    found = Statistics.of(subjects, ["MTR", "RD"])
    pooled = np.concatenate([subject.sources[:, subject.mask] for subject in subjects], 1).astype(np.float64)
    np.testing.assert_allclose(found.mean, pooled.mean(1), rtol=1e-5)
    np.testing.assert_allclose(found.std, pooled.std(1), rtol=1e-5)
    assert found.target_mean == pytest.approx(np.concatenate([s.target[s.mask] for s in subjects]).mean(), rel=1e-5)
    normal = [found.normalise(subject.sources, subject.mask) for subject in subjects]
    together = np.concatenate([n[:, subject.mask] for n, subject in zip(normal, subjects, strict=True)], 1)
    np.testing.assert_allclose(together.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(together.std(1), 1, rtol=1e-4)
    assert not normal[0][:, ~subjects[0].mask].any()
    flat = [Subject(s.name, s.sources * [[[[1]]], [[[0]]]], s.target, s.mask, s.regions, s.grid) for s in subjects]
    with pytest.raises(InputError, match="source is constant, RD"):
        Statistics.of(flat, ["MTR", "RD"])
