// Copyright (c) monai-diffdenoise contributors
// SPDX-License-Identifier: Apache-2.0
// Whatever the user does in one pane happens in all of them.

export class Link {
  // moved(leader): called after every drawing of the pane that the user works in.
  constructor(panes, moved) {
    this.panes = panes
    this.leader = panes[0]
    for (const pane of panes) {
      for (const kind of ["pointerdown", "wheel", "touchstart", "focus"]) {
        pane.canvas.addEventListener(kind, () => (this.leader = pane), { capture: true, passive: true })
      }
      // NiiVue calls this at the end of each drawing; its own linking needs the keyboard's focus, which a wheel lacks.
      pane.nv.sync = () => {
        if (pane !== this.leader || !pane.main) return
        for (const other of panes) if (other !== pane && other.main) other.follow(pane)
        moved(pane)
      }
    }
  }
}
