"""Linear transforms against FLIRT's, ITK's and hand arithmetic."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from myelosynth.errors import InputError
from myelosynth.images.grid import Grid
from myelosynth.images.transform import LinearTransform

from .conftest import oriented


def rigid(angles=(5, -7, 11), shift=(3.0, -4.0, 6.0)) -> LinearTransform:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return LinearTransform(matrix)


POINTS = np.random.default_rng(3).uniform(-80, 80, (20, 3))


def test_product_applies_the_right_factor_first():
    a, b = rigid(), rigid((20, 0, 0), (0, 0, 9))
    np.testing.assert_allclose((a @ b).apply(POINTS), a.apply(b.apply(POINTS)))
    np.testing.assert_allclose((~a).apply(a.apply(POINTS)), POINTS, atol=1e-9)


def test_itk_text_round_trip(tmp_path):
    rigid().write(tmp_path / "x.txt")
    np.testing.assert_allclose(LinearTransform.read(tmp_path / "x.txt").matrix, rigid().matrix, atol=1e-12)


def test_itk_text_maps_points_as_nitransforms_reads_it(tmp_path):
    from nitransforms.linear import Affine

    rigid().write(tmp_path / "x.txt")
    theirs = Affine.from_filename(tmp_path / "x.txt", fmt="itk")
    np.testing.assert_allclose(theirs.map(POINTS), rigid().apply(POINTS), atol=1e-6)


def test_itk_text_is_lps_with_a_centre(tmp_path):
    # 90 degrees about z at the LPS centre (10, 0, 0): LPS (10, 0, 0) stays, (11, 0, 0) goes to (10, 1, 0)
    text = "Transform: AffineTransform_double_3_3\nParameters: 0 -1 0 1 0 0 0 0 1 0 0 0\nFixedParameters: 10 0 0\n"
    (tmp_path / "x.txt").write_text("#Insight Transform File V1.0\n#Transform 0\n" + text)
    found = LinearTransform.read(tmp_path / "x.txt").apply(np.array([[-10.0, 0, 0], [-11.0, 0, 0]]))
    np.testing.assert_allclose(found, [[-10, 0, 0], [-10, -1, 0]], atol=1e-12)


def flirt_coordinates(grid: Grid) -> np.ndarray:
    """Voxel to FLIRT's scaled mm, by FSL's published rule: x flipped when the affine's determinant is positive."""
    scale = np.diag([*grid.voxel_sizes, 1.0])
    if np.linalg.det(grid.affine[:3, :3]) > 0:
        flip = np.diag([-1.0, 1, 1, 1])
        flip[0, 3] = (grid.shape[0] - 1) * grid.voxel_sizes[0]
        return flip @ scale
    return scale


def test_flirt_round_trip_and_rule(grid, other_grid):
    push = np.linalg.inv(rigid().matrix)
    by_hand = (
        flirt_coordinates(other_grid)
        @ np.linalg.inv(other_grid.affine)
        @ push
        @ grid.affine
        @ np.linalg.inv(flirt_coordinates(grid))
    )
    matrix = rigid().to_flirt(grid, other_grid)
    np.testing.assert_allclose(matrix, by_hand, atol=1e-4)
    back = LinearTransform.from_flirt(matrix, grid, other_grid)
    np.testing.assert_allclose(back.apply(POINTS), rigid().apply(POINTS), atol=1e-3)


@pytest.mark.parametrize("code", ["RAS", "LAS", "LPS", "oblique"])
def test_flirt_matrices_compose_as_the_itk_files_do(tmp_path, grid, other_grid, code):
    """A to B to C, through files of both kinds: FSL's product of matrices is the chain of pull transforms."""
    middle = oriented(code)
    to_middle, to_last = rigid(), rigid((20, -3, 8), (-5, 2, 9))
    joined = to_last.to_flirt(middle, other_grid) @ to_middle.to_flirt(grid, middle)
    chain = to_middle @ to_last
    np.testing.assert_allclose(joined, chain.to_flirt(grid, other_grid), atol=1e-4)
    LinearTransform.from_flirt(joined, grid, other_grid).write(tmp_path / "x.txt")
    found = LinearTransform.read(tmp_path / "x.txt")
    np.testing.assert_allclose(found.apply(POINTS), chain.apply(POINTS), atol=1e-3)
    back = LinearTransform.from_flirt(np.linalg.inv(joined), other_grid, grid)
    np.testing.assert_allclose((back @ found).apply(POINTS), POINTS, atol=1e-3)


@pytest.mark.parametrize("text", ["", "1 0 0 0\n0 1 0 0\n", "Parameters: 1 2 x\nFixedParameters: 0 0 0\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(InputError, match="not an ITK text affine"):
        LinearTransform.read(tmp_path / "x.txt")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="file missing"):
        LinearTransform.read(tmp_path / "x.txt")


HEAD = "#Insight Transform File V1.0\n#Transform 0\n"
KIND = "Transform: AffineTransform_double_3_3\n"
IDENTITY = "Parameters: 1 0 0 0 1 0 0 0 1 0 0 0\n"
CENTRE = "FixedParameters: 0 0 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KIND + IDENTITY + CENTRE + "#Transform 1\n" + KIND + IDENTITY + CENTRE, "several transforms.*2 transforms"),
        ("Transform: Euler3DTransform_double_3_3\n" + IDENTITY + CENTRE, "type Euler3DTransform_double_3_3"),
        (IDENTITY + CENTRE, "type not given"),
        (KIND + IDENTITY.replace("1", "nan") + CENTRE, "Parameters: nan .*expected finite"),
        (KIND + IDENTITY + "FixedParameters: 0 inf 0\n", "FixedParameters: 0 inf 0, expected finite"),
        (KIND + IDENTITY.replace(" 0 0 0\n", " 0 0\n") + CENTRE, "Parameters: 11 numbers, expected one line of 12"),
        (KIND + IDENTITY.replace(" 0 0 0\n", " 0 0 0 0\n") + CENTRE, "Parameters: 13 numbers"),
        (KIND + IDENTITY + IDENTITY + CENTRE, "Parameters: 2 lines"),
        (KIND + IDENTITY, "FixedParameters: 0 lines"),
        (KIND + "Parameters: 1 0 0 2 0 0 0 0 1 0 0 0\n" + CENTRE, "transform is singular.*determinant 0"),
    ],
)
def test_faults_of_an_itk_file_are_one_line(tmp_path, text, message):
    (tmp_path / "x.txt").write_text(HEAD + text)
    with pytest.raises(InputError, match=message) as caught:
        LinearTransform.read(tmp_path / "x.txt")
    assert "\n" not in str(caught.value)
    assert "x.txt" in str(caught.value)


def test_the_general_affine_of_other_programs_is_read(tmp_path):
    text = HEAD + "Transform: MatrixOffsetTransformBase_double_3_3\n" + IDENTITY + CENTRE
    (tmp_path / "x.txt").write_text(text)
    np.testing.assert_allclose(LinearTransform.read(tmp_path / "x.txt").matrix, np.eye(4))


@pytest.mark.realdata
def test_real_transforms_are_read(realdata):
    files = sorted((realdata / "ms_longitudinal").rglob("*.txt"))
    assert files
    for path in files:
        assert abs(np.linalg.det(LinearTransform.read(path).matrix) - 1) < 0.1
