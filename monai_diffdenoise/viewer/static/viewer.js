// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Starts the page: fetches what there is to see, makes the panes and wires the controls to them.

import { listen } from "./keys.js"
import { Link } from "./link.js"
import { OverlayControls } from "./overlays.js"
import { Pane } from "./pane.js"
import { BeforeAfter } from "./slider.js"
import { WindowControls } from "./window.js"

const OPTIONS = ["radiological", "crosshair", "smooth"]
const MOST_ZOOM = 10
// Screen readers hear the place and the values once the crosshair has rested for so long.
const REST_MS = 600
const $ = (id) => document.getElementById(id)
const written = (value) => (Number.isFinite(value) ? Number(value.toPrecision(5)).toString() : "no value")

function fail(error) {
  $("problem").textContent = String(error.message ?? error)
  $("problem").hidden = false
}

class Page {
  constructor(scene) {
    this.scene = scene
    this.frame = 0
    this.panes = scene.volumes.map((facts, i) => new Pane(facts, i, scene.same_grid))
    $("panes").dataset.count = this.panes.length
    for (const pane of this.panes) $("panes").append(pane.figure)
    document.querySelector(`input[name=view][value=${scene.volumes[0].view}]`).checked = true
    this.window = new WindowControls(this.panes)
    this.compare = new BeforeAfter(this.panes)
    this.overlays = new OverlayControls(this.panes, scene.overlays, () => this.frame, fail)
    this.cells = [...scene.volumes, ...scene.overlays].map((facts) => this.addRow(facts.label))
    this.link = new Link(this.panes, (pane) => this.moved(pane))
    this.wire()
    this.wireFrames()
    listen(this)
  }

  get view() {
    return document.querySelector("input[name=view]:checked").value
  }

  get radiological() {
    return $("radiological").checked
  }

  addRow(label) {
    const row = $("values").insertRow()
    const head = document.createElement("th")
    head.scope = "row"
    head.textContent = label
    row.append(head)
    const cell = row.insertCell()
    cell.className = "number"
    cell.textContent = "-"
    return cell
  }

  async start() {
    for (const pane of this.panes) {
      pane.nv.onLocationChange = (place) => this.located(pane, place)
      pane.canvas.addEventListener("webglcontextlost", () => {
        fail("The graphics card ran out of memory or was reset: reload the page, or show fewer or smaller images.")
      })
    }
    for (const pane of this.panes) await pane.start(this.view)
    const { slices } = this.panes[0]
    for (let axis = 0; axis < 3; axis++) $(`slice-${axis}`).max = slices[axis] - 1
    this.reset()
    await this.overlays.applyAll()
    document.body.dataset.ready = "true"
  }

  wire() {
    for (const radio of document.getElementsByName("view")) radio.addEventListener("change", () => this.useView())
    for (let axis = 0; axis < 3; axis++) {
      $(`slice-${axis}`).addEventListener("input", (event) => {
        const { voxel } = this.panes[0]
        voxel[axis] = event.target.valueAsNumber
        this.lead(this.panes[0], (pane) => (pane.voxel = voxel))
      })
    }
    $("zoom").addEventListener("input", () => this.zoom($("zoom").valueAsNumber))
    $("reset").addEventListener("click", () => this.reset())
    for (const id of OPTIONS) $(id).addEventListener("change", () => this.useOptions())
    $("help-open").addEventListener("click", () => this.help())
    $("theme").addEventListener("change", () => (document.documentElement.dataset.theme = $("theme").value))
  }

  wireFrames() {
    const all = [...this.scene.volumes, ...this.scene.overlays]
    const most = Math.max(...all.map((facts) => facts.frames))
    $("frame-row").hidden = most < 2
    $("frame").max = most
    const kind = all.find((facts) => facts.frames === most).frame_kind
    $("frame-label").textContent = kind[0].toUpperCase() + kind.slice(1)
    $("frame").addEventListener("input", () => ($("frame-value").textContent = `${$("frame").value} / ${most}`))
    $("frame").addEventListener("change", () => this.useFrame($("frame").valueAsNumber - 1).catch(fail))
    $("frame-value").textContent = `1 / ${most}`
  }

  async useFrame(frame) {
    this.frame = frame
    for (const pane of this.panes) await pane.useFrame(Math.min(frame, pane.facts.frames - 1))
    await this.overlays.applyAll()
  }

  useView(view = this.view) {
    document.querySelector(`input[name=view][value=${view}]`).checked = true
    for (const pane of this.panes) pane.setView(view)
  }

  useOptions() {
    const options = Object.fromEntries(OPTIONS.map((id) => [id, $(id).checked]))
    for (const pane of this.panes) pane.setOptions(options)
  }

  // Do something in one pane that the others follow.
  lead(pane, action) {
    this.link.leader = pane
    action(pane)
  }

  zoom(value) {
    this.link.leader.zoom = Math.min(Math.max(value, 1), MOST_ZOOM)
  }

  reset() {
    this.lead(this.panes[0], (pane) => pane.reset())
  }

  help() {
    $("help").showModal()
  }

  // The pane that the user works in was drawn anew, and the others after it.
  moved(pane) {
    this.window.takeFrom(pane)
    $("zoom").value = pane.zoom
    $("zoom-value").textContent = pane.zoom.toFixed(1)
    const { voxel, slices } = this.panes[0]
    for (let axis = 0; axis < 3; axis++) {
      $(`slice-${axis}`).value = Math.round(voxel[axis])
      $(`slice-${axis}-value`).textContent = `${Math.round(voxel[axis]) + 1} / ${slices[axis]}`
    }
  }

  located(pane, place) {
    this.cells[this.panes.indexOf(pane)].textContent = written(place.values[0]?.value)
    if (pane !== this.panes[0]) return
    const millimeters = Array.from(place.mm).slice(0, 3).map((mm) => mm.toFixed(1))
    $("millimeters").textContent = `${millimeters.join(", ")} mm`
    pane.nv.volumes.forEach((image, i) => {
      if (i > 0) this.cells[this.panes.length + image.overlayNumber].textContent = written(place.values[i]?.value)
    })
    clearTimeout(this.speaking)
    this.speaking = setTimeout(() => this.speak(), REST_MS)
  }

  speak() {
    const values = this.cells.map((cell) => `${cell.previousSibling.textContent} ${cell.textContent}`)
    $("announcement").textContent = [$("millimeters").textContent, ...values].join(". ")
  }
}

async function start() {
  if (!document.createElement("canvas").getContext("webgl2")) {
    throw new Error("This browser cannot draw volumes: WebGL 2 is off or missing. Try another browser.")
  }
  const answer = await fetch("scene.json")
  if (!answer.ok) throw new Error("The program that serves these images has ended: start diffdenoise view again.")
  const page = new Page(await answer.json())
  // For tests and for the curious: the page's state in the browser's console.
  globalThis.diffdenoise = page
  await page.start()
}

start().catch(fail)
