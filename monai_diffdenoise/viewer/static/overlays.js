// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Maps laid over the images: which, in which colors, how strong.

const COLORS = ["viridis", "inferno", "magma", "plasma", "hot", "turbo", "warm", "cool", "gray"]
const BOTH = "red and blue"
const $ = (id) => document.getElementById(id)

function field(parent, text, input) {
  const label = document.createElement("label")
  label.className = input.type === "checkbox" ? "check" : ""
  label.append(...(input.type === "checkbox" ? [input, text] : [`${text} `, input]))
  parent.append(label)
  return input
}

function input(type, attributes) {
  return Object.assign(document.createElement("input"), { type }, attributes)
}

export class OverlayControls {
  // frame(): the time point wanted; failed(error): told when an overlay cannot be had.
  constructor(panes, overlays, frame, failed) {
    Object.assign(this, { panes, overlays, frame, failed })
    $("overlays").hidden = overlays.length === 0
    this.parts = overlays.map((facts, number) => this.build(facts, number))
  }

  build(facts, number) {
    const box = document.createElement("fieldset")
    const legend = document.createElement("legend")
    legend.textContent = facts.label
    box.append(legend)
    const shown = field(box, "Show", input("checkbox", { checked: number === 0 }))
    const row = document.createElement("div")
    row.className = "row"
    const colors = field(row, "Colors", document.createElement("select"))
    for (const name of facts.signed ? [BOTH, ...COLORS] : COLORS) colors.add(new Option(name, name))
    const opacity = field(row, "Opacity", input("range", { min: 0, max: 1, step: 0.05, value: 0.6 }))
    // Of a signed map the small values stay clear, so that the image is seen; of another one all is shown.
    const start = facts.signed ? [facts.magnitude / 2, facts.magnitude] : facts.window
    const [low, high] = start.map((value) => Number(value.toPrecision(3)))
    const from = field(row, "From", input("number", { step: "any", value: low }))
    const to = field(row, "To", input("number", { step: "any", value: high }))
    box.append(row)
    for (const part of [shown, colors, opacity, from, to]) part.addEventListener("input", () => this.apply(number))
    $("overlays").append(box)
    return { shown, colors, opacity, from, to }
  }

  look(number) {
    const { shown, colors, opacity, from, to } = this.parts[number]
    const both = colors.value === BOTH
    return {
      shown: shown.checked,
      colormap: both ? "above" : colors.value,
      negative: both ? "below" : "",
      opacity: opacity.valueAsNumber,
      low: from.valueAsNumber,
      high: to.valueAsNumber,
    }
  }

  async apply(number) {
    const look = this.look(number)
    if (!(look.low < look.high)) return
    const frame = Math.min(this.frame(), this.overlays[number].frames - 1)
    try {
      for (const pane of this.panes) await pane.setOverlay(number, frame, look)
    } catch (error) {
      this.failed(error)
    }
  }

  async applyAll() {
    for (let number = 0; number < this.parts.length; number++) await this.apply(number)
  }

  toggle() {
    const any = this.parts.some((part) => part.shown.checked)
    this.parts.forEach((part, number) => (part.shown.checked = !any && number === 0))
    this.applyAll()
  }
}
