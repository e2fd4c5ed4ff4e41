# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What is compared in stage 2, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["VARIANTS", "Variant"]


@dataclass(frozen=True)
class Variant:
    """One way to train the second network.

    Args:
        target: "same", "neighbor", "repeat" (a second draw of noise, for comparison: few series have one) or
            "recorrupted".
        shown: the noisy slice is shown beside the condition.
        regression: the network is asked for the mean at once, at the last time and with a state of 0.
        condition: "bsn", "identity" (the noisy slice stands in for the estimate) or "none" (a constant).
        noise: on the condition's estimate, in units of the noise.
        draws: how many times the volume is recorrupted for the training.
        tau: of the recorruption.
        prediction: what the network gives, by MONAI's names.
        residual: the target minus the condition is diffused.
        schedule: of the noise, by MONAI's names.
        p: of the loss.
        weighting: of the loss, see ``DiffusionPairLoss``.
        length: of the training, in units of the command's.
        ways: "few": one pair, 10 steps and 1; "all": what else sampling offers; "start": from the noisy image.
        time: share of the schedule at which "start" begins.
        told: noise that the recorruption is told, in units of the true one.
        low: earliest time of training and sampling, as a share of the schedule.
        rate: of learning.
        levels: also try noise of other levels than the training's.
    """

    target: str = "same"
    shown: bool = False
    regression: bool = False
    condition: str = "bsn"
    noise: float = 0.0
    draws: int = 4
    tau: float = 0.5
    prediction: str = "v_prediction"
    residual: bool = True
    schedule: str = "linear_beta"
    p: int = 2
    weighting: str = "uniform"
    length: float = 1.0
    ways: str = "few"
    time: float = 0.3
    told: float = 1.0
    levels: bool = False
    low: float = 0.0
    rate: float = 2e-3


_FREE = Variant("recorrupted", shown=True)
VARIANTS: dict[str, Variant] = {
    "regression (c, y), recorrupted": replace(_FREE, regression=True, levels=True),
    "SRDS (c, y), recorrupted": replace(_FREE, ways="all", levels=True),
    "SRDS c, same": Variant(ways="all"),
    "regression c + noise, same": Variant(regression=True, noise=1.0),
    "SRDS c + noise, same": Variant(noise=1.0),
    "regression c, same": Variant(regression=True),
    "SRDS c, recorrupted": Variant("recorrupted"),
    "regression c, recorrupted": Variant("recorrupted", regression=True),
    "regression y, recorrupted": Variant("recorrupted", regression=True, condition="identity"),
    "SRDS y, recorrupted": Variant("recorrupted", condition="identity"),
    "SRDS (c, y), recorrupted once": replace(_FREE, draws=1),
    "regression (c, y), recorrupted once": replace(_FREE, draws=1, regression=True),
    "SRDS (c, y), tau 1": replace(_FREE, tau=1.0),
    "regression (c, y), tau 1": replace(_FREE, tau=1.0, regression=True),
    "regression (c, y), tau 0.25": replace(_FREE, tau=0.25, regression=True),
    "regression (c, y), told 0.9 sigma": replace(_FREE, told=0.9, regression=True),
    "regression (c, y), told 1.1 sigma": replace(_FREE, told=1.1, regression=True),
    "SRDS (c, y), repeat": Variant("repeat", shown=True),
    "regression (c, y), repeat": Variant("repeat", shown=True, regression=True),
    "SRDS (c, y), neighbor": Variant("neighbor", shown=True),
    "regression (c, y), neighbor": Variant("neighbor", shown=True, regression=True),
    "SRDS (c, y), x0": replace(_FREE, prediction="sample"),
    "SRDS (c, y), epsilon": replace(_FREE, prediction="epsilon"),
    "SRDS (c, y), cosine": replace(_FREE, schedule="cosine"),
    "SRDS (c, y), min-SNR": replace(_FREE, weighting="min_snr"),
    "SRDS (c, y), image state": replace(_FREE, residual=False),
    "SRDS (c, y) + noise": replace(_FREE, noise=1.0),
    "SRDS (c, y), late times": replace(_FREE, low=0.5),
    **{f"regression (c, y), rate {rate:g}": replace(_FREE, regression=True, rate=rate) for rate in (1e-3, 4e-3, 8e-3)},
    **{f"SRDS (c, y), rate {rate:g}": replace(_FREE, rate=rate) for rate in (1e-3, 4e-3, 8e-3)},
    "SRDS c, same, as published": Variant(residual=False, prediction="epsilon", p=1),
    "SRDS c, same, L1": Variant(p=1),
    "SRDS none, same": Variant(condition="none", residual=False, ways="start"),
    "SRDS c, same, 3 times as long": Variant(length=3.0),
    "SRDS (c, y), recorrupted, 3 times as long": replace(_FREE, length=3.0),
    "regression (c, y), recorrupted, 3 times as long": replace(_FREE, length=3.0, regression=True),
}
"""In the order in which they are run: the decisive ones first."""
