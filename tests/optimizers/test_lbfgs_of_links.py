"""L-BFGS as any of Chainer's optimizers: links, loss functions, hooks, files, a trainer."""

import itertools
import math

import numpy as np
import pytest
from chainer import training
from chainer.training import extensions

from texsynth import optimizers
from texsynth.compat import chainer

F, L = chainer.functions, chainer.links


class Rosenbrock(chainer.Chain):
    """Minimum 0 at a = b = 1, in two parameters of different shapes."""

    def __init__(self, a=(-1.2, 0.5), b=((1.0,), (2.0,)), dtype=np.float64):
        super().__init__()
        with self.init_scope():
            self.a = chainer.Parameter(np.array(a, dtype))
            self.b = chainer.Parameter(np.array(b, dtype))
        self.calls = 0

    def forward(self):
        self.calls += 1
        a, b = self.a, F.reshape(self.b, (2,))
        loss = F.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)
        chainer.report({"loss": loss}, self)
        return loss


def fit(link, steps=100, **settings):
    optimizer = optimizers.LBFGS(first_step=0.5, **settings).setup(link)
    losses = []
    for _ in range(steps):
        losses.append(optimizer.update(link))
        if optimizer.stop_reason:
            break
    return optimizer, losses


def values(link):
    return np.concatenate([parameter.array.ravel() for parameter in link.params()])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_link_of_two_parameters_is_fitted_by_its_loss(dtype):
    link = Rosenbrock(dtype=dtype)
    _, losses = fit(link)
    np.testing.assert_allclose(values(link), 1, atol=1e-3)
    assert losses[-1] < 1e-6 and all(b <= a for a, b in itertools.pairwise(losses))
    assert [p.array.dtype for p in link.params()] == [dtype] * 2
    assert [p.shape for p in link.params()] == [(2,), (2, 1)]


def test_several_parameters_take_the_steps_of_one_that_holds_them_all():
    class One(chainer.Chain):
        def __init__(self):
            super().__init__()
            with self.init_scope():
                self.x = chainer.Parameter(values(Rosenbrock()))

        def forward(self):
            a, b = F.split_axis(self.x, 2, 0)
            return F.sum(100 * (b - a**2) ** 2 + (1 - a) ** 2)

    several, one = Rosenbrock(), One()
    for link in (several, one):
        fit(link, steps=12)
    np.testing.assert_allclose(values(several), one.x.array, rtol=1e-9)


def test_a_parameter_that_the_loss_does_not_depend_on_stays():
    link = Rosenbrock()
    with link.init_scope():
        link.idle = chainer.Parameter(np.array([7.0]))
    fit(link)
    assert link.idle.array == 7
    np.testing.assert_allclose(link.a.array, 1, atol=1e-3)


def test_a_frozen_parameter_stays():
    link = Rosenbrock()
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    link.b.update_rule.enabled = False
    with pytest.raises(AssertionError):  # it would move
        np.testing.assert_array_equal(fit(Rosenbrock(), 1)[0].target.b.array, link.b.array)
    for _ in range(40):
        optimizer.update(link)
    np.testing.assert_array_equal(link.b.array, [[1.0], [2.0]])
    np.testing.assert_allclose(link.a.array**2, [1, 2], atol=0.02)


def test_a_link_that_is_frozen_whole_is_told():
    link = Rosenbrock()
    optimizer = optimizers.LBFGS().setup(link)
    link.disable_update()
    with pytest.raises(ValueError, match="no parameter of the link may be updated"):
        optimizer.update(link)


def test_pairs_are_kept_in_hdf5_too(tmp_path):
    optimizer, _ = fit(Rosenbrock(), steps=3)
    chainer.serializers.save_hdf5(tmp_path / "optimizer.h5", optimizer)
    other = optimizers.LBFGS().setup(Rosenbrock())
    chainer.serializers.load_hdf5(tmp_path / "optimizer.h5", other)
    for own, its in zip(optimizer._pairs, other._pairs, strict=True):
        for one, two in zip(own, its, strict=True):
            np.testing.assert_array_equal(one.ravel() if np.ndim(one) else one, two)


def test_parameters_of_several_dtypes_keep_them():
    link = Rosenbrock()
    link.a.array = link.a.array.astype(np.float32)
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    for _ in range(60):
        optimizer.update(lambda: F.sum((F.cast(link.a, np.float64) - F.flatten(link.b)) ** 2))
    assert (link.a.array.dtype, link.b.array.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(link.a.array, link.b.array.ravel(), atol=1e-5)


def test_a_parameter_may_get_its_shape_from_the_data():
    x = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    t = (x @ [[1.0], [-2.0], [0.5]] + 0.25).astype(np.float32)
    link = L.Linear(None, 1)
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    for _ in range(30):
        loss = optimizer.update(lambda x, t: F.mean_squared_error(link(x), t), x, t)
    np.testing.assert_allclose(link.W.array, [[1, -2, 0.5]], atol=1e-3)
    assert loss < 1e-6


def test_other_data_are_not_compared_with_the_loss_of_those_before():
    """The second loss is larger everywhere than any value of the first."""
    link = L.Scale(axis=0, W_shape=(1,))
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)

    def loss(target, offset):
        return F.sum((link.W - target) ** 2) + offset

    for _ in range(4):
        optimizer.update(loss, 3.0, 0.0)
    for _ in range(4):
        value = optimizer.update(loss, -5.0, 1000.0)
    assert value == pytest.approx(1000.0)
    np.testing.assert_allclose(link.W.array, -5.0, atol=1e-3)


def test_hooks_are_called_once_an_update_before_and_after_it():
    link, seen = Rosenbrock(), []
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    for timing in ("pre", "post"):
        note = lambda opt, timing=timing: seen.append((timing, values(opt.target)))  # noqa: E731
        optimizer.add_hook(note, name=timing, timing=timing)
    starts, ends = [], []
    for _ in range(5):
        starts.append(values(link))
        optimizer.update(link)
        ends.append(values(link))
    assert [timing for timing, _ in seen] == ["pre", "post"] * 5
    np.testing.assert_array_equal([x for _, x in seen[::2]], starts)
    np.testing.assert_array_equal([x for _, x in seen[1::2]], ends)


def test_hooks_that_change_nothing_change_no_step():
    plain, hooked = Rosenbrock(), Rosenbrock()
    fit(plain, steps=9)
    optimizer = optimizers.LBFGS(first_step=0.5).setup(hooked)
    optimizer.add_hook(lambda opt: None, name="nothing")
    for _ in range(9):
        optimizer.update(hooked)
    np.testing.assert_array_equal(values(plain), values(hooked))


def test_a_hook_before_the_update_decides_on_the_gradient():
    """One parameter's gradient is taken away: it stays, and the other is fitted to it."""

    def only_a(optimizer):
        optimizer.target.b.grad[...] = 0

    link = Rosenbrock()
    optimizer = optimizers.LBFGS(memory=1, first_step=0.1).setup(link)
    optimizer.add_hook(only_a)
    optimizer.update(link)
    np.testing.assert_array_equal(link.b.array, [[1.0], [2.0]])
    assert (link.a.array != [-1.2, 0.5]).all()


def test_chainers_hooks_work():
    link = Rosenbrock()
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    optimizer.add_hook(chainer.optimizer_hooks.GradientClipping(100.0))
    optimizer.add_hook(chainer.optimizer_hooks.WeightDecay(1e-6))
    for _ in range(60):
        optimizer.update(link)
    np.testing.assert_allclose(values(link), 1, atol=0.01)


def test_a_hook_after_the_update_may_move_the_parameters():
    """The next step goes from there."""

    def within(optimizer):
        for parameter in optimizer.target.params():
            parameter.array[...] = parameter.array.clip(-0.5, 0.5)

    link = Rosenbrock()
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    optimizer.add_hook(within, timing="post")
    for _ in range(30):
        optimizer.update(link)
    assert abs(values(link)).max() <= 0.5


def test_hooks_of_single_parameters_are_refused():
    link = Rosenbrock()
    optimizers.LBFGS().setup(link)
    with pytest.raises(NotImplementedError, match=r"optimizer\.add_hook"):
        link.a.update_rule.add_hook(lambda rule, parameter: None, name="own")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("steps", [0, 1, 7, 25])
def test_a_run_goes_on_from_npz_files_to_the_bit(tmp_path, steps, dtype):
    link = Rosenbrock(dtype=dtype)
    optimizer = optimizers.LBFGS(memory=5, first_step=0.5).setup(link)
    for _ in range(steps):
        optimizer.update(link)
    chainer.serializers.save_npz(tmp_path / "link.npz", link)
    chainer.serializers.save_npz(tmp_path / "optimizer.npz", optimizer)
    again = Rosenbrock(a=(9, 9), dtype=dtype)
    other = optimizers.LBFGS(memory=5, first_step=0.5).setup(again)
    chainer.serializers.load_npz(tmp_path / "optimizer.npz", other)
    chainer.serializers.load_npz(tmp_path / "link.npz", again)
    assert other.t == optimizer.t == steps
    assert len(other._pairs) == min(steps, 5)
    for _ in range(6):
        assert optimizer.update(link) == other.update(again)
        np.testing.assert_array_equal(values(link), values(again))


def test_pairs_of_another_link_are_refused(tmp_path):
    optimizer, _ = fit(Rosenbrock(), steps=5)
    chainer.serializers.save_npz(tmp_path / "optimizer.npz", optimizer)
    link = Rosenbrock(a=(1.0, 2.0, 3.0))
    other = optimizers.LBFGS().setup(link)
    chainer.serializers.load_npz(tmp_path / "optimizer.npz", other)
    with pytest.raises(ValueError, match="not of this link, which has 5 values"):
        other.update(lambda: F.sum(link.a**2))


def test_pairs_that_are_not_whole_are_refused(tmp_path):
    optimizer, _ = fit(Rosenbrock(), steps=5)
    chainer.serializers.save_npz(tmp_path / "optimizer.npz", optimizer)
    with np.load(tmp_path / "optimizer.npz") as file:
        arrays = dict(file)
    arrays["y"] = arrays["y"][1:]
    np.savez(tmp_path / "optimizer.npz", **arrays)
    other = optimizers.LBFGS().setup(Rosenbrock())
    with pytest.raises(ValueError, match="are not whole"):
        chainer.serializers.load_npz(tmp_path / "optimizer.npz", other)


def _trainer(link, out, stop):
    optimizer = optimizers.LBFGS(first_step=0.5).setup(link)
    data = [np.array([3.0, 1.0]), np.array([5.0, 3.0])]  # of which all is one batch
    iterator = chainer.iterators.SerialIterator(data, 2, shuffle=False)
    updater = training.StandardUpdater(iterator, optimizer, loss_func=lambda batch: link())
    trainer = training.Trainer(updater, (stop, "iteration"), out=out)
    trainer.extend(extensions.LogReport(trigger=(1, "iteration")))
    trainer.extend(extensions.snapshot(), trigger=(10, "iteration"))
    return trainer


def test_a_trainer_goes_through_and_on_by_its_usual_updater(tmp_path):
    link = Rosenbrock()
    trainer = _trainer(link, tmp_path, 20)
    trainer.run()
    log = trainer.get_extension("LogReport").log
    assert len(log) == 20 and log[-1]["main/loss"] < log[0]["main/loss"]
    again = Rosenbrock(a=(9, 9))
    second = _trainer(again, tmp_path / "again", 20)
    chainer.serializers.load_npz(tmp_path / "snapshot_iter_10", second)
    second.run()
    np.testing.assert_array_equal(values(again), values(link))


def test_what_is_no_loss_is_told():
    link = Rosenbrock()
    optimizer = optimizers.LBFGS()
    with pytest.raises(RuntimeError, match="not set up"):
        optimizer.update(link)
    optimizer.setup(link)
    with pytest.raises(TypeError, match="needs the loss function"):
        optimizer.update()
    with pytest.raises(TypeError, match="or a number, not NoneType"):
        optimizer.update(lambda: None)
    with pytest.raises(ValueError, match="must be one value"):
        optimizer.update(lambda: link.a * 2)


def test_parameters_are_whole_after_a_loss_function_that_fails():
    link = Rosenbrock()
    optimizer, _ = fit(link, steps=3)
    before, calls = values(link), []

    def breaks():
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return link()

    with pytest.raises(KeyboardInterrupt):
        optimizer.update(breaks)
    np.testing.assert_array_equal(values(link), before)
    # What was evaluated before it failed is forgotten: the next function may be another.
    higher = optimizer.update(lambda: link() + 1000)
    assert 1000 < higher < math.inf and (values(link) != before).any()


class OneImage(chainer.Chain):
    """One parameter of several axes, as a texture is."""

    def __init__(self):
        super().__init__()
        with self.init_scope():
            self.image = chainer.Parameter(np.linspace(-2, 2, 24).reshape(1, 2, 3, 4))

    def forward(self):
        return F.sum((self.image**2 - 1) ** 2 + self.image)


def test_pairs_of_one_image_come_back_in_its_shape(tmp_path):
    whole = OneImage()
    optimizer = optimizers.LBFGS(first_step=0.1).setup(whole)
    for _ in range(3):
        optimizer.update(whole)
    for name, saved in (("link.npz", whole), ("optimizer.npz", optimizer)):
        chainer.serializers.save_npz(tmp_path / name, saved)
    again = OneImage()
    other = optimizers.LBFGS(first_step=0.1).setup(again)
    for name, loaded in (("link.npz", again), ("optimizer.npz", other)):
        chainer.serializers.load_npz(tmp_path / name, loaded)
    for _ in range(3):
        optimizer.update(whole)
        other.update(again)
    np.testing.assert_array_equal(again.image.array, whole.image.array)
