// Runs before anything is painted, so that a remembered theme never flashes.
import { recall } from "./remember";

const remembered = recall("theme");
if (remembered === "dark" || remembered === "light") {
    document.documentElement.dataset["theme"] = remembered;
}
