// Sort a table by the column whose heading is pressed; numbers from the greatest, words from A. Rows
// without a value stay last, and pressing again turns the order round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const value = (row) => row.cells[button.dataset.column].dataset.value;
    const known = [...body.rows].filter((row) => value(row) !== undefined);
    const unknown = [...body.rows].filter((row) => value(row) === undefined);
    const numeric = known.every((row) => value(row).trim() !== "" && !isNaN(value(row)));
    const before = heading.getAttribute("aria-sort");
    const ascending = before ? before === "descending" : !numeric;
    known.sort((a, b) => (numeric ? value(a) - value(b) : value(a).localeCompare(value(b))));
    if (!ascending) known.reverse();
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...known, ...unknown);
  });
}
