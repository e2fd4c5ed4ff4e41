// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Before and after in one place, with a boundary between them that moves.

const $ = (id) => document.getElementById(id)

export class BeforeAfter {
  constructor(panes) {
    this.panes = panes
    this.box = $("panes")
    this.handle = document.createElement("div")
    this.handle.id = "handle"
    // The range input below does the same for keyboards and screen readers.
    this.handle.setAttribute("aria-hidden", "true")
    this.box.append(this.handle)
    $("compare").hidden = panes.length < 2
    ;["left", "right"].forEach((id, start) => {
      panes.forEach((pane, i) => $(id).add(new Option(pane.facts.label, i)))
      if (panes.length > 1) $(id).value = String(start)
      $(id).addEventListener("change", () => this.update())
    })
    $("boundary").addEventListener("input", () => this.move($("boundary").valueAsNumber))
    for (const radio of document.getElementsByName("compare")) radio.addEventListener("change", () => this.update())
    this.handle.addEventListener("pointerdown", (event) => {
      this.handle.setPointerCapture(event.pointerId)
      event.preventDefault()
    })
    this.handle.addEventListener("pointermove", (event) => {
      if (!this.handle.hasPointerCapture(event.pointerId)) return
      const { left, width } = this.box.getBoundingClientRect()
      this.move((100 * (event.clientX - left)) / width)
    })
    this.move(50)
    this.update()
  }

  get on() {
    return this.panes.length > 1 && document.querySelector("input[name=compare]:checked").value === "slider"
  }

  toggle() {
    if (this.panes.length < 2) return
    document.querySelector(`input[name=compare][value=${this.on ? "grid" : "slider"}]`).checked = true
    this.update()
  }

  move(percent) {
    const place = Math.min(Math.max(percent, 0), 100)
    $("boundary").value = place
    $("boundary-value").textContent = `${Math.round(place)} %`
    this.box.style.setProperty("--boundary", `${place}%`)
  }

  nudge(by) {
    if (this.on) this.move($("boundary").valueAsNumber + by)
  }

  update() {
    const { on } = this
    const [left, right] = [Number($("left").value), Number($("right").value)]
    this.box.classList.toggle("slider", on)
    $("boundary-row").hidden = !on
    $("sides").hidden = !on || this.panes.length < 3
    this.panes.forEach((pane, i) => {
      pane.figure.classList.toggle("left", on && i === left)
      pane.figure.classList.toggle("right", on && i === right && i !== left)
      pane.figure.style.zIndex = on && i === right ? 1 : 0
    })
  }
}
