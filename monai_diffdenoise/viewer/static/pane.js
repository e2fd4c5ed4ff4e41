// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// One image on the page: a NiiVue, its caption, the overlays on it. Knows nothing of the other panes.

import { DRAG_MODE, MULTIPLANAR_TYPE, NVImage, Niivue, SHOW_RENDER, SLICE_TYPE, cmapper } from "./niivue.js"

// Two scales that meet in clear, for what is below and above zero, seen on gray in light or dark.
cmapper.addColormap("below", { R: [130, 60, 20], G: [190, 150, 110], B: [255, 255, 255], A: [0, 160, 255], I: [0, 128, 255] })
cmapper.addColormap("above", { R: [255, 255, 255], G: [150, 90, 40], B: [130, 70, 30], A: [0, 160, 255], I: [0, 128, 255] })

const VIEWS = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  multiplanar: SLICE_TYPE.MULTIPLANAR,
  render: SLICE_TYPE.RENDER,
}
const CROSSHAIR_PIXELS = 1.5

async function fetchImage(address, options) {
  const answer = await fetch(address)
  if (!answer.ok) throw new Error("The program that serves these images has ended: start diffdenoise view again.")
  return NVImage.loadFromUrl({ url: await answer.arrayBuffer(), name: "volume.nii", ...options })
}

export class Pane {
  constructor(facts, number, sameGrid) {
    this.facts = facts
    this.number = number
    this.window = { low: facts.window[0], high: facts.window[1] }
    this.overlays = new Map() // number of the overlay -> its NVImage, once it was loaded
    this.frame = 0
    this.figure = document.createElement("figure")
    this.caption = document.createElement("figcaption")
    this.caption.textContent = facts.label
    const frame = document.createElement("div")
    frame.className = "canvas"
    this.canvas = document.createElement("canvas")
    this.canvas.tabIndex = 0
    this.canvas.setAttribute("role", "application")
    this.canvas.setAttribute("aria-label", `${facts.label}. Arrow keys and Page Up, Page Down move the crosshair.`)
    this.status = document.createElement("p")
    this.status.className = "loading"
    this.status.textContent = "loading ..."
    frame.append(this.canvas, this.status)
    this.figure.append(this.caption, frame)
    this.nv = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.36, 0.8, 1, 0.8],
      crosshairWidthUnit: "mm",
      fontColor: [0.85, 0.88, 0.92, 1],
      dragAndDropEnabled: false,
      isNearestInterpolation: true,
      isOrientationTextVisible: facts.oriented,
      isRadiologicalConvention: true,
      // On different grids only millimeters can be compared; on one grid the voxels as they are show most.
      isSliceMM: !sameGrid,
      loadingText: "",
      logLevel: "error",
      multiplanarLayout: MULTIPLANAR_TYPE.GRID,
      multiplanarShowRender: SHOW_RENDER.ALWAYS,
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
    })
    this.nv.setMouseEventConfig({
      leftButton: { primary: DRAG_MODE.crosshair, withShift: DRAG_MODE.pan },
      rightButton: DRAG_MODE.windowing,
      centerButton: DRAG_MODE.pan,
    })
  }

  async start(view) {
    await this.nv.attachToCanvas(this.canvas)
    new ResizeObserver(() => this.setCrosshair()).observe(this.canvas)
    this.setView(view)
    const longest = Math.max(...this.facts.shape)
    const limit = this.nv.gl.getParameter(this.nv.gl.MAX_3D_TEXTURE_SIZE)
    if (longest > limit) {
      throw new Error(`${this.facts.label} is ${longest} voxels long; this browser's graphics hold ${limit}`)
    }
    await this.load()
  }

  // Fetch the time point that is to be seen, and whatever overlays are on.
  async load() {
    const { crosshairPos, pan2Dxyzmm } = this.nv.scene
    const kept = this.nv.volumes.length ? [crosshairPos, pan2Dxyzmm] : null
    const main = await fetchImage(`volumes/${this.number}/${this.frame}.nii`, {
      colormap: "gray",
      cal_min: this.window.low,
      cal_max: this.window.high,
    })
    const old = this.main
    this.nv.addVolume(main)
    if (old) {
      this.nv.setVolume(main, 0)
      this.nv.removeVolume(old)
    }
    this.main = main
    if (kept) [this.nv.scene.crosshairPos, this.nv.scene.pan2Dxyzmm] = kept
    this.setWindow(this.window.low, this.window.high)
    this.status.hidden = true
    this.nv.createOnLocationChange()
  }

  async useFrame(frame) {
    if (frame === this.frame) return
    this.frame = frame
    await this.load()
  }

  setView(view) {
    this.nv.setSliceType(VIEWS[view])
    this.setCrosshair()
  }

  // About one and a half pixels: NiiVue wants millimeters, and a line thinner than a pixel vanishes here and there.
  setCrosshair(shown = this.crosshair ?? true) {
    this.crosshair = shown
    const planes = this.nv.opts.sliceType === SLICE_TYPE.MULTIPLANAR ? 2 : 1
    const pixels = (Math.min(this.canvas.clientWidth, this.canvas.clientHeight) / planes) * this.zoom
    const { shape, spacing } = this.facts
    const longest = Math.max(...shape.map((count, axis) => count * spacing[axis]))
    this.nv.opts.show3Dcrosshair = shown
    this.nv.setCrosshairWidth(shown ? (CROSSHAIR_PIXELS * longest) / Math.max(pixels, 100) : 0)
  }

  setWindow(low, high) {
    this.window = { low, high }
    if (!this.main) return
    this.main.cal_min = low
    this.main.cal_max = high
    this.nv.updateGLVolume()
  }

  // The window after a drag with the mouse, which NiiVue handles by itself.
  get drawnWindow() {
    return this.main ? { low: this.main.cal_min, high: this.main.cal_max } : this.window
  }

  // look: {shown, colormap, negative, opacity, low, high}
  async setOverlay(number, frame, look) {
    let image = this.overlays.get(number)
    if (!image && !look.shown) return
    if (!image || image.shownFrame !== frame) {
      if (image) this.nv.removeVolume(image)
      image = await fetchImage(`overlays/${number}/${frame}.nii`, {
        colormap: look.colormap,
        opacity: 0,
        cal_min: look.low,
        cal_max: look.high,
      })
      image.shownFrame = frame
      image.overlayNumber = number
      // Another call for the same overlay may have come first.
      const other = this.overlays.get(number)
      if (other && this.nv.volumes.includes(other)) this.nv.removeVolume(other)
      this.overlays.set(number, image)
      this.nv.addVolume(image)
    }
    image.cal_min = look.low
    image.cal_max = look.high
    image._colormap = look.colormap
    image.colormapNegative = look.negative
    image._opacity = look.shown ? look.opacity : 0
    this.nv.updateGLVolume()
    this.nv.createOnLocationChange()
  }

  setOptions({ radiological, crosshair, smooth }) {
    this.nv.opts.isRadiologicalConvention = radiological
    this.nv.setInterpolation(!smooth)
    this.setCrosshair(crosshair)
  }

  get slices() {
    return this.main ? this.main.dimsRAS.slice(1, 4) : [1, 1, 1]
  }

  get voxel() {
    return Array.from(this.nv.frac2vox(this.nv.scene.crosshairPos))
  }

  set voxel(voxel) {
    const top = this.slices
    this.nv.scene.crosshairPos = this.nv.vox2frac(voxel.map((v, axis) => Math.min(Math.max(v, 0), top[axis] - 1)))
    this.nv.createOnLocationChange()
    this.nv.drawScene()
  }

  get zoom() {
    return this.nv.scene.pan2Dxyzmm[3]
  }

  // The crosshair keeps its place on the screen.
  set zoom(zoom) {
    const pan = this.nv.scene.pan2Dxyzmm
    const center = this.nv.frac2mm(this.nv.scene.crosshairPos)
    for (let axis = 0; axis < 3; axis++) pan[axis] += (pan[3] - zoom) * center[axis]
    pan[3] = zoom
    if (zoom === 1) pan.fill(0, 0, 3)
    this.setCrosshair()
  }

  reset() {
    this.nv.scene.pan2Dxyzmm = Float32Array.of(0, 0, 0, 1)
    this.nv.scene.volScaleMultiplier = 1
    this.nv.setRenderAzimuthElevation(110, 10)
    this.voxel = this.slices.map((count) => count >> 1)
    this.setCrosshair()
  }

  // Take place, zoom and direction from another pane.
  follow(other) {
    const { nv } = this
    nv.scene.crosshairPos = nv.mm2frac(other.nv.frac2mm(other.nv.scene.crosshairPos))
    nv.scene.pan2Dxyzmm = Float32Array.from(other.nv.scene.pan2Dxyzmm)
    nv.scene.renderAzimuth = other.nv.scene.renderAzimuth
    nv.scene.renderElevation = other.nv.scene.renderElevation
    nv.scene.volScaleMultiplier = other.nv.scene.volScaleMultiplier
    nv.createOnLocationChange()
    this.setCrosshair()
  }
}
