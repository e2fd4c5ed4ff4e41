# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Tables of the no-reference benchmark as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import numpy as np
from scipy.stats import spearmanr

__all__ = ["print_tables"]

Row = dict[str, Any]

_NAMES = {
    "sure told": "SURE, sigma and correlation told",
    "sure measured": "SURE, sigma and correlation measured",
    "sure white": "SURE, sigma told, white probe",
    "sure poisson-gaussian": "SURE, Poisson-Gaussian form",
    "slice gain": "slice gain",
    "slice gain probed": "slice gain with probe",
    "slice mse": "slice MSE",
    "slice mse matched": "slice MSE, matched regions",
    "masked": "blind-spot MSE by masking",
    "autocorrelation": "residual autocorrelation, excess",
    "structure loss": "structure loss",
    "structure share": "structure share",
    "structure correlation": "structure correlation, absolute",
    "mean drift": "mean drift, absolute z",
    "worst bin drift": "mean drift, worst bin",
    "discrepancy": "removed variance against sigma^2",
}


def print_tables(rows: list[Row]) -> None:
    """Print all tables that the rows allow."""
    scored = [row for row in rows if row.get("scores") and row["group"] in ("slice", "volume")]
    for title, groups in (("slice by slice", ("slice",)), ("and those that see neighbors", ("slice", "volume"))):
        print(f"\n### Rank correlation / regret in dB, denoisers that work {title}\n")
        _print(_rank_table([row for row in scored if row["group"] in groups]))
    structure = [row for row in rows if row["group"] == "structure"]
    if structure:
        print("\n### Rank correlation with the anatomy that was removed\n")
        _print(_structure_table(structure))
    print("\n### SURE for a wrong sigma (correlation told): rank correlation / regret\n")
    _print(_sigma_table([row for row in scored if row["group"] == "slice"]))
    print("\n### Blind-spot MSE of blind denoisers\n")
    _print(_blind_table([row for row in rows if row["group"] == "blind"]))
    print("\n### Verdict\n")
    _print(_verdict_table(rows))
    networks = [row for row in rows if row["group"] == "network"]
    if networks:
        print("\n### Networks that were trained on the volume itself\n")
        _print(_network_table(networks))


def _print(lines: Iterable[list[str]]) -> None:
    for index, cells in enumerate(lines):
        print("| " + " | ".join(cells) + " |")
        if index == 0:
            print("|" + "---|" * len(cells))


def _cases(rows: list[Row]) -> list[list[Row]]:
    def key(row: Row) -> tuple[Any, ...]:
        return row["image"], row["kind"], row["level"], row["seed"]

    return [list(found) for _, found in groupby(sorted(rows, key=key), key=key)]


def _rank(case: list[Row], score: str) -> tuple[float, float] | None:
    values = [row["scores"].get(score) for row in case]
    if any(value is None for value in values):
        return None
    truth = np.array([row["mse"] for row in case])
    chosen, best = truth[int(np.argmin(values))], truth.min()
    # what two draws share may come out below 0 where nothing was lost
    regret = 10.0 * math.log10(chosen / best) if best > 0 else math.nan
    return float(spearmanr(values, truth).statistic), regret


def _cell(cases: list[list[Row]], score: str) -> str:
    found = [rank for rank in (_rank(case, score) for case in cases) if rank is not None]
    if not found:
        return "-"
    ranks, regrets = zip(*found, strict=True)
    return f"{np.mean(ranks):.2f} / {np.mean(regrets):.2f}"


def _columns(cases: list[list[Row]]) -> dict[str, list[list[Row]]]:
    columns: dict[str, list[list[Row]]] = {}
    for case in cases:
        level = f" {case[0]['level']:g}" if case[0]["level"] else ""
        columns.setdefault(f"{case[0]['kind']}{level}", []).append(case)
    return dict(sorted(columns.items()))


def _rank_table(rows: list[Row]) -> Iterable[list[str]]:
    cases = _cases(rows)
    columns = _columns(cases)
    yield ["score", *columns, "worst"]
    for score, name in _NAMES.items():
        found = [rank for rank in (_rank(case, score) for case in cases) if rank is not None]
        worst = f"{min(rank for rank, _ in found):.2f} / {max(regret for _, regret in found):.2f}"
        yield [name, *(_cell(column, score) for column in columns.values()), worst]


def _structure_table(rows: list[Row]) -> Iterable[list[str]]:
    columns = _columns(_cases(rows))
    yield ["score", *columns, "worst"]
    for score, name in _NAMES.items():
        found = {title: [_rank(case, score) for case in column] for title, column in columns.items()}
        ranks = {title: [rank[0] for rank in part if rank is not None] for title, part in found.items()}
        if any(ranks.values()):
            worst = min(rank for part in ranks.values() for rank in part)
            yield [name, *(f"{np.mean(part):.2f}" for part in ranks.values()), f"{worst:.2f}"]


def _sigma_table(rows: list[Row]) -> Iterable[list[str]]:
    columns = _columns(_cases(rows))
    yield ["sigma", *columns]
    for factor in (0.8, 0.9, 1.0, 1.1, 1.25):
        score = "sure told" if factor == 1.0 else f"sure sigma x {factor}"
        yield [f"x {factor}", *(_cell(column, score) for column in columns.values())]


def _blind_table(rows: list[Row]) -> Iterable[list[str]]:
    yield ["hole", "noise", "rank correlation / regret", "z: mean, most", "cases"]
    for hole in ("hole 1", "hole 7"):
        for kind in sorted({row["kind"] for row in rows}):
            part = [row for row in rows if row["kind"] == kind and row["name"].endswith(hole)]
            z = [(row["scores"]["blind"] - row["mse"]) / row["blind_error"] for row in part]
            most = max(z, key=abs)
            yield [hole, kind, _cell(_cases(part), "blind"), f"{np.mean(z):+.2f}, {most:+.2f}", str(len(part))]


def _verdict_table(rows: list[Row]) -> Iterable[list[str]]:
    judged = [row for row in rows if row.get("verdict")]
    yield ["volumes", "denoisers", "truth", "cases", "better", "undecided", "worse", "worst of the wrong votes"]
    groups: tuple[tuple[str, Callable[[Row], bool], str], ...] = (
        ("slice by slice, probed", lambda row: row["group"] == "slice", "verdict"),
        ("slice by slice, no probe", lambda row: row["group"] == "slice", "verdict_arrays"),
        ("see neighbors, probed", lambda row: row["group"] == "volume", "verdict"),
    )
    for held_out in (False, True):
        for name, wanted, key in groups:
            part = [row for row in judged if wanted(row) and row["image"].endswith(" other") == held_out]
            for truth in ("harm", "gain", "even"):
                found = [row for row in part if _truth(row) == truth]
                if not found:
                    continue
                votes = Counter(row[key] for row in found)
                wrong = [row for row in found if row[key] == {"harm": "better", "gain": "worse"}.get(truth)]
                worst = max(wrong, key=lambda row: abs(_change(row)), default=None)
                told = "-" if worst is None else _told(worst)
                yield [
                    "others" if held_out else "chosen on",
                    name,
                    truth,
                    str(len(found)),
                    *(str(votes[vote]) for vote in ("better", "undecided", "worse")),
                    told,
                ]


def _told(row: Row) -> str:
    return f"{_change(row):+.2f} dB ({row['image']}, {row['kind']} {row['level']:g}, {row['name']})"


def _change(row: Row) -> float:
    """PSNR after denoising minus that before, in dB."""
    return 10.0 * math.log10(row["mse_noisy"] / row["mse"])


def _truth(row: Row) -> str:
    change = _change(row)
    return "gain" if change > 0.1 else "harm" if change < -0.1 else "even"


def _network_table(rows: list[Row]) -> Iterable[list[str]]:
    yield [
        *("noise", "steps", "result", "PSNR gain dB", "true MSE", "SURE / true: sigma told, measured"),
        *("noise variance - slice gain", "sigma measured / true", "verdict: sigma told, measured"),
    ]
    for row in rows:
        scores = row["scores"]
        yield [
            f"{row['kind']} {row['level']:g}",
            str(row["steps"]),
            row["name"],
            f"{_change(row):+.2f}",
            f"{row['mse']:.3e}",
            f"{scores['sure told'] / row['mse']:.2f}, {scores['sure measured'] / row['mse']:.2f}",
            f"{scores['slice gain'] + row['mse_noisy']:.3e}",
            f"{row['sigma'] / row['level']:.2f}",
            f"{row['verdict_told']}, {row['verdict']}",
        ]
