import { render } from "preact";
import { startClock } from "./clock";
import { startLive } from "./live";
import { Frame } from "./parts/frame";
import { startRouting } from "./route";
import "uplot/dist/uPlot.min.css";
import "./style.css";

startRouting();
startClock();
startLive();
render(<Frame />, document.getElementById("app") as HTMLElement);
