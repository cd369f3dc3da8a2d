import numpy as np
import pytest

from texsynth.statistics.transport import barycentre


def random_covariance(seed, size=5, rank=None):
    factor = np.random.default_rng(seed).standard_normal((size, rank or 2 * size))
    return factor @ factor.T


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def distance(first, second):
    """Squared distance of Wasserstein between Gaussians of one mean."""
    middle = root(root(first) @ second @ root(first))
    return np.trace(first) + np.trace(second) - 2 * np.trace(middle)


def close(found, expected, tolerance=1e-9):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_of_two_it_is_the_formula_of_the_geodesic(share):
    first, second = random_covariance(0), random_covariance(1)
    inverse = np.linalg.inv(root(first))
    moves = inverse @ root(root(first) @ second @ root(first)) @ inverse
    blend = (1 - share) * np.eye(5) + share * moves
    close(barycentre([first, second], [1 - share, share]), blend @ first @ blend)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_of_two_it_is_the_formula_with_the_roots_of_scipy(share):
    sqrtm = pytest.importorskip("scipy.linalg").sqrtm
    first, second = random_covariance(2), random_covariance(3)
    root, inverse = sqrtm(first), np.linalg.inv(sqrtm(first))
    moves = (inverse @ sqrtm(root @ second @ root) @ inverse).real
    blend = (1 - share) * np.eye(5) + share * moves
    close(barycentre([first, second], [1 - share, share]), blend @ first @ blend)


def test_the_ends_are_what_is_given():
    first, second = random_covariance(0), random_covariance(1)
    assert np.array_equal(barycentre([first, second], [1, 0]), first)
    assert np.array_equal(barycentre([first, second], [0, 1]), second)


@pytest.mark.parametrize("rank", [None, 2])
def test_it_runs_the_same_way_from_either_end(rank):
    first, second = random_covariance(0, rank=rank), random_covariance(1, rank=rank)
    there, back = barycentre([first, second], [0.7, 0.3]), barycentre([second, first], [0.3, 0.7])
    close(there, back)


@pytest.mark.parametrize("rank", [None, 1, 2, 4])
@pytest.mark.parametrize("number", [2, 3])
def test_it_is_symmetric_and_positive_semidefinite(rank, number):
    matrices = [random_covariance(seed, rank=rank) for seed in range(number)]
    found = barycentre(matrices, [1 / number] * number)
    assert np.array_equal(found, found.T)
    assert np.linalg.eigvalsh(found).min() >= -1e-9 * np.trace(found)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_where_all_commute_roots_are_averaged(number):
    generator = np.random.default_rng(number)
    axes, _ = np.linalg.qr(generator.standard_normal((5, 5)))
    lengths = generator.uniform(0.1, 3, (number, 5))
    shares = generator.dirichlet(np.ones(number))
    matrices = [(axes * each**2) @ axes.T for each in lengths]
    close(barycentre(matrices, shares), (axes * (shares @ lengths) ** 2) @ axes.T, 1e-6)


def test_what_lies_across_is_taken_as_independent():
    found = barycentre([np.diag([4.0, 0, 0]), np.diag([0, 9.0, 0])], [0.5, 0.5])
    close(found, np.diag([1.0, 2.25, 0]))


@pytest.mark.parametrize("rank", [None, 2])
def test_it_lies_on_the_way(rank):
    first, second = random_covariance(4, rank=rank), random_covariance(5, rank=rank)
    whole = distance(first, second)
    for share in (0.25, 0.5, 0.8):
        between = barycentre([first, second], [1 - share, share])
        assert distance(first, between) == pytest.approx(share**2 * whole, rel=1e-5)
        assert distance(between, second) == pytest.approx((1 - share) ** 2 * whole, rel=1e-5)


def test_of_three_it_fulfils_the_equation_of_the_barycentre():
    matrices, shares = [random_covariance(seed) for seed in range(3)], [0.5, 0.2, 0.3]
    found = barycentre(matrices, shares)
    half = root(found)  # Agueh and Carlier 2011, equation 6.2
    others = [share * root(half @ m @ half) for m, share in zip(matrices, shares, strict=True)]
    close(sum(others), found, 1e-5)


def test_of_nothing_there_is_nothing():
    assert not barycentre([np.zeros((3, 3)), np.zeros((3, 3))], [0.5, 0.5]).any()
