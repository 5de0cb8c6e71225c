// Tables that stand in the page whole: choose a heading to sort by it.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const text = row.cells[at].dataset.v;
    return heads[at].classList.contains("n") ? Number(text.replace("inf", "Infinity")) : text;
  };
  heads.forEach((head, at) => {
    head.querySelector("button").addEventListener("click", () => {
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      heads.forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [value(a, at), value(b, at)];
        return sign * (typeof x === "number" ? (x > y) - (x < y) : x.localeCompare(y, "en", { numeric: true }));
      });
      table.tBodies[0].append(...rows);
    });
  });
}
