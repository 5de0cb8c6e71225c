// Light or dark: as the system says, until somebody turns the button.
function darkNow() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function tellTheme() {
  document.dispatchEvent(new Event("themechange"));
}

function startTheme(button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = darkNow() ? "light" : "dark";
    tellTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellTheme);
}

startTheme(document.getElementById("theme"));
