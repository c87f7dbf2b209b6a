// One clock for everything that shows an age or a countdown, in the server's time.
import { signal } from "@preact/signals";

const TICK_MS = 500;

let offsetMs = 0;

/** The server's wall clock, as well as it is known; ticks twice a second. */
export const now = signal(Date.now());

/** The server just said that this is its time. */
export function heardTime(atMs: number): void {
    offsetMs = atMs - Date.now();
}

export function startClock(): void {
    setInterval(() => {
        now.value = Date.now() + offsetMs;
    }, TICK_MS);
}
