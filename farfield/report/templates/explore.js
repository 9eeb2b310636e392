// Choices above a table show some of its rows and columns, and the mean of the columns that are shown.
for (const form of document.querySelectorAll("form.controls")) {
  const table = document.getElementById(form.dataset.table);
  const rows = [...table.tBodies[0].rows];
  const headings = [...table.tHead.rows[0].cells];
  const scored = headings.map((cell, i) => (cell.dataset.study ? i : -1)).filter((i) => i >= 0);

  const choose = () => {
    const said = Object.fromEntries(new FormData(form));
    const columns = scored.filter((i) =>
      (!said.study || headings[i].dataset.study === said.study) && (!said.shot || headings[i].dataset.shot === said.shot));
    for (const i of scored) for (const row of [headings, ...rows.map((row) => row.cells)]) row[i].hidden = !columns.includes(i);
    for (const row of rows) {
      row.hidden = (said.block && row.dataset.block !== said.block)
        || (said.queries && row.dataset.queries !== said.queries)
        || !row.cells[0].textContent.toLowerCase().includes(said.name.toLowerCase());
    }
    // Numbers of two studies are never averaged with each other.
    const one = new Set(columns.map((i) => headings[i].dataset.study)).size === 1;
    table.querySelector(".mean").textContent = one ? "Mean of those shown" : "Mean of one study";
    for (const row of rows) {
      const values = columns.map((i) => row.cells[i].dataset.value);
      const whole = one && values.every((value) => value !== undefined);
      const mean = values.reduce((sum, value) => sum + Number(value), 0) / values.length;
      row.cells[1].textContent = whole ? mean.toFixed(2) : "–";
      if (whole) row.cells[1].dataset.value = mean;
      else delete row.cells[1].dataset.value;
    }
    const shown = rows.filter((row) => !row.hidden);
    for (const i of [1, ...columns]) {
      const best = Math.max(...shown.map((row) => Number(row.cells[i].dataset.value ?? -Infinity)));
      for (const row of rows) row.cells[i].classList.toggle("best", Number(row.cells[i].dataset.value) === best);
    }
    form.querySelector("output").textContent = `${shown.length} of ${rows.length} rows`;
  };

  form.hidden = false;
  form.study.value = headings[scored[0]].dataset.study;
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  choose();
}
