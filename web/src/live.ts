// The event stream: what is new goes into state.ts, and a broken stream is opened again.
import type { LedgerHead, Rollout, Service } from "./api";
import { heardTime } from "./clock";
import { connection, ledgerHead, refresh, refreshStatus, services, takeRollout, takeServices } from "./state";

/** `services` comes each 2 s: a stream that is silent for so long is dead, whatever TCP says. */
const SILENCE_MS = 10_000;
const RETRY_FROM_MS = 500;
const RETRY_TO_MS = 8000;
const STATUS_EVERY_MS = 5000;

let source: EventSource | null = null;
let heardMs = 0;
let retryMs = RETRY_FROM_MS;
let retrying: ReturnType<typeof setTimeout> | undefined;

function on<T>(name: string, take: (data: T) => void): void {
    source?.addEventListener(name, (event) => {
        heardMs = Date.now();
        take(JSON.parse((event as MessageEvent<string>).data) as T);
    });
}

function takeLiveRollout(rollout: Rollout): void {
    if (rollout.snapshot) {
        heardTime(rollout.snapshot.atMs);
    }
    takeRollout(rollout);
}

function open(): void {
    source = new EventSource("/cqed/v1/events");
    heardMs = Date.now();
    source.addEventListener("open", () => {
        connection.value = "live";
        retryMs = RETRY_FROM_MS;
        heardMs = Date.now();
        void refresh(); // whatever happened while nobody listened
    });
    source.addEventListener("error", reopen);
    on<Rollout>("rollout", takeLiveRollout);
    on<LedgerHead>("ledger", (entry) => (ledgerHead.value = entry));
    on<{ services: Service[] }>("services", (data) => takeServices(data.services));
    source.addEventListener("resync", () => {
        heardMs = Date.now();
        void refresh();
    });
}

function reopen(): void {
    source?.close();
    source = null;
    connection.value = services.peek() === null ? "connecting" : "reconnecting";
    clearTimeout(retrying);
    retrying = setTimeout(open, retryMs);
    retryMs = Math.min(RETRY_TO_MS, retryMs * 2);
}

export function startLive(): void {
    void refresh();
    open();
    setInterval(() => {
        if (source && Date.now() - heardMs > SILENCE_MS) {
            reopen();
        }
    }, 1000);
    setInterval(() => void refreshStatus(), STATUS_EVERY_MS);
}
