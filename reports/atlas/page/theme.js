// Light or dark: the system's choice until the reader makes another, which is kept where the browser allows it.

const themeChanged = new Set();

function storedTheme() {
  try {
    return localStorage.getItem("kvscope-theme");
  } catch {
    return null;  // pages from files may have no storage
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("kvscope-theme", theme);
  } catch {
    // then it lasts as long as the page
  }
  themeChanged.forEach((listener) => listener());
}

function themeButton() {
  const label = () => (isDark() ? "Light theme" : "Dark theme");
  const toggle = button(label(), () => setTheme(isDark() ? "light" : "dark"), { class: "theme" });
  themeChanged.add(() => {
    toggle.textContent = label();
  });
  return toggle;
}

if (["light", "dark"].includes(storedTheme())) document.documentElement.dataset.theme = storedTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  themeChanged.forEach((listener) => listener());
});
