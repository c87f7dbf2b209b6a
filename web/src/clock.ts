// One clock for everything that shows an age or a countdown, in the server's time.
import { computed, signal } from "@preact/signals";

const TICK_MS = 500;

const local = signal(Date.now());
const offsetMs = signal(0);

/** The server's wall clock, as well as it is known; ticks twice a second. */
export const now = computed(() => local.value + offsetMs.value);

/** What this machine's clock said, as the server's would have. */
export function serverTime(localMs: number): number {
    return localMs + offsetMs.value;
}

/** The server just said that this is its time. */
export function heardTime(atMs: number): void {
    offsetMs.value = atMs - Date.now();
}

export function startClock(): void {
    setInterval(() => (local.value = Date.now()), TICK_MS);
}
