// Small lists of checkboxes and number fields that open below a button.
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function labelled(text, input) {
  return make("label", {}, input, make("span", { textContent: text }));
}

// Keep an opened list inside the window.
function placed(menu) {
  const list = menu.lastElementChild;
  list.classList.remove("flipped");
  if (menu.open && list.getBoundingClientRect().right > document.documentElement.clientWidth) list.classList.add("flipped");
}

function newMenu(title, ...children) {
  const told = make("span", { className: "told" });
  const menu = make("details", { className: "menu" },
    make("summary", {}, make("span", { textContent: title }), told), make("div", {}, ...children));
  menu.addEventListener("toggle", () => placed(menu));
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.firstElementChild.focus();
  });
  return { menu, tell: (text) => { told.textContent = text; } };
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Leave only the entries whose text holds what is typed.
function narrowing(entries) {
  const input = make("input", { type: "search", placeholder: "find", ariaLabel: "find in this list" });
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
  });
  return input;
}

// Checkboxes; `changed` gets the set of the keys that are checked.
function checkMenu(title, items, checked, changed) {
  const boxes = items.map(({ key }) => make("input", { type: "checkbox", checked: checked.has(key) }));
  const entries = items.map(({ text, hint }, at) => {
    const entry = labelled(text, boxes[at]);
    if (hint) entry.title = hint;
    return entry;
  });
  const tellAll = () => {
    const some = items.filter((_, at) => boxes[at].checked);
    found.tell(some.length === items.length ? "all" : `${some.length} of ${items.length}`);
    found.menu.classList.toggle("active", some.length < items.length);
    return new Set(some.map(({ key }) => key));
  };
  const setAll = (value) => {
    boxes.forEach((box, at) => { if (!entries[at].hidden) box.checked = value; });
    changed(tellAll());
  };
  const head = make("div", { className: "menu-head" });
  if (items.length > 12) head.append(narrowing(entries));
  for (const [text, value] of [["all", true], ["none", false]]) {
    const button = make("button", { type: "button", textContent: text });
    button.addEventListener("click", () => setAll(value));
    head.append(button);
  }
  const found = newMenu(title, head, ...entries);
  boxes.forEach((box) => box.addEventListener("change", () => changed(tellAll())));
  tellAll();
  return { menu: found.menu, reset: () => setAll(true) };
}

// Two fields for the least and the most of a column.
function rangeFields(column, changed) {
  const filled = column.values.filter((value) => !Number.isNaN(value));
  const ends = [filled.reduce((a, b) => Math.min(a, b), Infinity), filled.reduce((a, b) => Math.max(a, b), -Infinity)];
  const inputs = ["least", "most"].map((which, at) => make("input", {
    type: "text", ariaLabel: `${which} ${column.heading}`, placeholder: written(column, ends[at], column.whole),
  }));
  const read = () => {
    const numbers = inputs.map((input, at) => (input.value.trim() ? typed(input.value, column.unit) : [-Infinity, Infinity][at]));
    inputs.forEach((input, at) => input.setAttribute("aria-invalid", String(Number.isNaN(numbers[at]))));
    if (!numbers.some(Number.isNaN)) changed(numbers);
  };
  inputs.forEach((input) => input.addEventListener("input", read));
  const clear = () => { for (const input of inputs) input.value = ""; read(); };
  return { row: make("div", { className: "range" }, make("span", { textContent: column.heading }), ...inputs), clear };
}
