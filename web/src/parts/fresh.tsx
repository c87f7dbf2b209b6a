import { now } from "../clock";
import { duration } from "../format";

const STALE_MS = 15_000;

/** How old the data is, growing while nothing comes. freshMs < 0 or null: never seen. */
export function Freshness({
    freshMs,
    atMs,
    staleMs = STALE_MS,
}: {
    freshMs: number | null;
    atMs: number;
    staleMs?: number;
}) {
    if (freshMs === null || freshMs < 0) {
        return (
            <span class="fresh is-never" data-testid="freshness">
                no data seen yet
            </span>
        );
    }
    const age = freshMs + Math.max(0, now.value - atMs);
    const stale = age > staleMs;
    return (
        <span class={`fresh ${stale ? "is-stale" : ""}`} data-testid="freshness">
            {stale ? "stale: " : ""}data {duration(age)} old
        </span>
    );
}
