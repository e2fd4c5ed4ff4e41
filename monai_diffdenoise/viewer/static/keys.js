// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Keys and the wheel, while an image has the focus: nowhere else, so that they never get in the way of typing.

const VIEWS = ["axial", "coronal", "sagittal", "multiplanar", "render"]
// The axes of the body (left-right, back-front, foot-head) across, up, and through each view.
const AXES = {
  axial: [0, 1, 2],
  coronal: [0, 2, 1],
  sagittal: [1, 2, 0],
  multiplanar: [0, 1, 2],
  render: [0, 1, 2],
}
const STEPS = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowDown: [1, -1],
  ArrowUp: [1, 1],
  PageDown: [2, -1],
  PageUp: [2, 1],
}

export function listen(page) {
  for (const pane of page.panes) {
    const box = pane.canvas.parentElement
    // In the capturing phase, before NiiVue, whose own keys would move one pane only.
    box.addEventListener("keydown", (event) => press(page, pane, event), { capture: true })
    box.addEventListener("keyup", (event) => event.stopPropagation(), { capture: true })
    box.addEventListener("wheel", (event) => wheel(page, pane, event), { capture: true, passive: false })
  }
}

function wheel(page, pane, event) {
  if (!event.ctrlKey) return
  event.preventDefault()
  event.stopPropagation()
  page.link.leader = pane
  page.zoom(pane.zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15))
}

function press(page, pane, event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return
  event.stopPropagation()
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const actions = {
    s: () => page.compare.toggle(),
    o: () => page.overlays.toggle(),
    r: () => page.reset(),
    "[": () => page.compare.nudge(-2),
    "]": () => page.compare.nudge(2),
    "+": () => page.zoom(pane.zoom + 0.5),
    "=": () => page.zoom(pane.zoom + 0.5),
    "-": () => page.zoom(pane.zoom - 0.5),
    "?": () => page.help(),
  }
  if (key in STEPS) step(page, pane, ...STEPS[key])
  else if (key in actions) actions[key]()
  else if (/^[1-5]$/.test(key)) page.useView(VIEWS[Number(key) - 1])
  else return
  event.preventDefault()
}

function step(page, pane, which, by) {
  const axis = AXES[page.view][which]
  // To the left on the screen is to the patient's right there.
  const mirrored = axis === 0 && which === 0 && page.radiological
  const voxel = pane.voxel
  voxel[axis] += mirrored ? -by : by
  page.lead(pane, () => (pane.voxel = voxel))
}
