"use strict";
const body = document.querySelector("#results tbody");
const heads = [...document.querySelectorAll("#results thead th")];
const value = (row, column) => {
  const cell = row.children[column];
  return cell.dataset.value !== undefined ? Number(cell.dataset.value) : cell.textContent.trim();
};
const compare = (one, two) => {
  if (typeof one === "number" && typeof two === "number") return one - two;
  if (typeof one !== typeof two) return typeof one === "number" ? -1 : 1;
  return one.localeCompare(two, undefined, { numeric: true });
};
heads.forEach((head, column) => {
  const button = head.querySelector("button");
  if (!button) return;
  button.addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...body.rows].sort((one, two) => compare(value(one, column), value(two, column)) * (rising ? 1 : -1));
    body.append(...rows);
    document.querySelector("#said").textContent = `Sorted by ${button.textContent}, ${rising ? "rising" : "falling"}`;
  });
});
