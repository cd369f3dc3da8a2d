from chainer import Optimizer

class Adam(Optimizer):
    alpha: float
    def __init__(self, alpha: float = ...) -> None: ...
