"""Modules of PyTorch that models are made of."""

from __future__ import annotations

import torch


class Net(torch.nn.Module):
    """Layers that behave differently while they train."""

    def __init__(self, width, hidden=4, outputs=1):
        super().__init__()
        self.config = {"width": width, "hidden": hidden, "outputs": outputs}
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(width, hidden),
            torch.nn.BatchNorm1d(hidden),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(hidden, outputs),
        )

    def forward(self, x):
        return self.layers(x)


class Words(torch.nn.Module):
    """Takes indexes."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(10, 4)
        self.layer = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.embedding(x).flatten(1))


class Several(torch.nn.Module):
    """Gives more than one tensor."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x), x


class Pictures(torch.nn.Module):
    """Takes images of one channel."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 3))

    def forward(self, x):
        return self.layers(x)
