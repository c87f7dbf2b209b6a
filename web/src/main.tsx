// The page. What it knows of the server is in api.ts, what it knows now in state.ts, which live.ts keeps fresh;
// pages/ are the pages and parts/ what they are made of; proof.ts trusts nobody.
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
