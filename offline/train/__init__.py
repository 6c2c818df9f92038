"""Training: quantile boosters on standardised returns, calibrated on held-out scores, as a bundle."""

from offline.train.settings import TrainSettings
from offline.train.train import TrainedHead, train, training_key, write_trained

__all__ = ["TrainSettings", "TrainedHead", "train", "training_key", "write_trained"]
