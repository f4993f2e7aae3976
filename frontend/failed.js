// The program ends at once where it finds itself in the wrong, and can say nothing more. So this says it.
const failed = (error) => {
  if (!(error instanceof WebAssembly.RuntimeError) || document.querySelector(".failed")) return;
  const banner = document.createElement("p");
  banner.className = "banner failed";
  banner.role = "alert";
  banner.textContent = "This page has failed. Applied changes are safe; the draft may be lost.";
  const again = document.createElement("button");
  again.className = "btn small";
  again.textContent = "Reload";
  again.onclick = () => location.reload();
  banner.append(again);
  document.body.append(banner);
};
addEventListener("error", (event) => failed(event.error));
addEventListener("unhandledrejection", (event) => failed(event.reason));
