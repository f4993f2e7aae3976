// Runs before the first paint, so that a remembered theme does not flash: the program itself comes a moment later.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the system's theme it is.
}
