import { now } from "../clock";
import { duration } from "../format";

const STALE_MS = 60_000; // what policies take for stale when they say nothing else (telemetry.maxAge)

interface Props {
    freshMs: number | null | undefined; // negative or unknown: never seen
    atMs: number; // when that was said, by the server's clock
    stale?: boolean; // said by the evidence itself
}

/** How old the data is, growing while nothing comes. */
export function Freshness({ freshMs, atMs, stale = false }: Props) {
    if (freshMs === null || freshMs === undefined || freshMs < 0) {
        return (
            <span class="fresh is-never" data-testid="freshness">
                no data seen yet
            </span>
        );
    }
    const age = freshMs + Math.max(0, now.value - atMs);
    const late = stale || age > STALE_MS;
    return (
        <span class={`fresh ${late ? "is-stale" : ""}`} data-testid="freshness">
            {late ? "stale: " : ""}data {duration(age)} old
        </span>
    );
}
