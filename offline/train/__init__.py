"""Training: quantile boosters on standardised returns, calibrated on held-out scores, as a bundle."""

from offline.train.plan import TrainPlan
from offline.train.settings import TrainSettings
from offline.train.train import TrainedHead, train
from offline.train.write import training_key, write_trained

__all__ = ["TrainPlan", "TrainSettings", "TrainedHead", "train", "training_key", "write_trained"]
