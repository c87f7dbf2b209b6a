// Runs before anything is painted, so that a remembered theme never flashes.
const remembered = localStorage.getItem("cqed.theme");
if (remembered === "dark" || remembered === "light") {
    document.documentElement.dataset["theme"] = remembered;
}
