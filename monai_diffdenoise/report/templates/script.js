"use strict";
for (const figure of document.querySelectorAll(".compare")) {
  const input = figure.querySelector("input");
  const picture = figure.querySelector(".picture");
  const show = () => figure.style.setProperty("--split", input.value + "%");
  const drag = (event) => {
    const box = picture.getBoundingClientRect();
    input.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  input.addEventListener("input", show);
  picture.addEventListener("pointerdown", (event) => { picture.setPointerCapture(event.pointerId); drag(event); });
  picture.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  show();
}
