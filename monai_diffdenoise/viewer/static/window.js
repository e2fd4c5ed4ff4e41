// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Level and width, for all images or for one of them.

const HOUNSFIELD = [
  ["soft tissue", 40, 400],
  ["lung", -600, 1500],
  ["bone", 400, 1800],
  ["brain", 40, 80],
  ["liver", 60, 160],
  ["mediastinum", 50, 350],
]
const $ = (id) => document.getElementById(id)
const MOST_RATIO = 4
const tidy = (value) => Number(value.toPrecision(5))

function comparable([low, high], [otherLow, otherHigh]) {
  const ratio = (high - low) / (otherHigh - otherLow)
  return low < otherHigh && otherLow < high && ratio < MOST_RATIO && ratio > 1 / MOST_RATIO
}

export class WindowControls {
  constructor(panes) {
    this.panes = panes
    const presets = [["auto", "Automatic"], ["full", "Full range"]]
    if (panes.some((pane) => pane.facts.hounsfield)) {
      HOUNSFIELD.forEach(([name], i) => presets.push([i, `CT ${name}`]))
    }
    presets.push(["own", "Own values"])
    for (const [value, text] of presets) $("preset").add(new Option(text, value))
    $("target-label").hidden = panes.length < 2
    $("target").add(new Option("all images", "all"))
    panes.forEach((pane, i) => $("target").add(new Option(pane.facts.label, i)))
    $("preset").addEventListener("change", () => this.usePreset($("preset").value))
    for (const id of ["level", "width"]) $(id).addEventListener("input", () => this.useNumbers())
    $("target").addEventListener("change", () => this.show())
    // One window for all is the fair comparison, but not of images in different units.
    if (!panes.every((pane) => comparable(pane.facts.window, panes[0].facts.window))) $("target").value = "0"
    $("preset").value = panes[0].facts.hounsfield ? "0" : "auto"
    this.usePreset($("preset").value)
  }

  get targets() {
    const target = $("target").value
    return target === "all" ? this.panes : [this.panes[Number(target)]]
  }

  usePreset(name) {
    const { facts } = this.targets[0]
    if (name === "own") return
    if (name === "auto") this.apply(...facts.window)
    else if (name === "full") this.apply(...facts.range)
    else {
      const [, level, width] = HOUNSFIELD[Number(name)]
      this.apply(level - width / 2, level + width / 2)
    }
    this.show()
  }

  useNumbers() {
    const [level, width] = [$("level").valueAsNumber, $("width").valueAsNumber]
    if (!Number.isFinite(level) || !(width > 0)) return
    $("preset").value = "own"
    this.apply(level - width / 2, level + width / 2)
  }

  // After a drag in a pane: the same for the other targets, once a frame at most, since it uploads volumes again.
  takeFrom(pane) {
    const { low, high } = pane.drawnWindow
    if (low === pane.window.low && high === pane.window.high) return
    pane.window = { low, high }
    if ($("target").value !== "all") $("target").value = String(this.panes.indexOf(pane))
    $("preset").value = "own"
    this.show()
    cancelAnimationFrame(this.pending)
    this.pending = requestAnimationFrame(() => {
      for (const other of this.targets) if (other !== pane) other.setWindow(low, high)
    })
  }

  apply(low, high) {
    for (const pane of this.targets) pane.setWindow(low, high)
  }

  show() {
    const { low, high } = this.targets[0].window
    $("level").value = tidy((low + high) / 2)
    $("width").value = tidy(high - low)
  }
}
