// What the page knows. Every page reads these signals; only live.ts and refresh() write them.
import { computed, signal } from "@preact/signals";
import {
    api,
    type HistoryEntry,
    type LedgerHead,
    type Rollout,
    type RolloutStateName,
    type Service,
    type Status,
} from "./api";

export type Connection = "connecting" | "live" | "reconnecting";

export const connection = signal<Connection>("connecting");
export const status = signal<Status | null>(null);
export const services = signal<Service[] | null>(null);
/** When `services` came, by this machine's clock: ages go on growing while nothing comes. */
export const servicesAtMs = signal(0);
/** Newest first; null until they were fetched. */
export const rollouts = signal<Rollout[] | null>(null);
/** The newest entry that was heard of; pages that show the ledger fetch on its change. */
export const ledgerHead = signal<LedgerHead | null>(null);
/** Counts refresh(): after it, pages fetch what they alone show. */
export const refreshes = signal(0);
/** Why the last fetch failed; "" when it did not. */
export const trouble = signal("");

const FINAL: ReadonlySet<RolloutStateName> = new Set(["succeeded", "rolled_back", "cancelled", "superseded"]);

export function isFinal(rollout: Rollout): boolean {
    return FINAL.has(rollout.state.state);
}

export const liveRollouts = computed(() => (rollouts.value ?? []).filter((r) => !isFinal(r)));
export const pastRollouts = computed(() => (rollouts.value ?? []).filter(isFinal));

// An answer can be older than an event that overtook it. So events and questions are numbered in the order in which
// they happened here, and an answer does not replace what an event said after it was asked for.
let order = 0;
let servicesOrder = 0;
const rolloutOrder = new Map<string, number>();

/** Call before asking the server; its answer is taken with this number. */
export function beforeAsking(): number {
    return ++order;
}

export function takeServices(list: Service[], asked = ++order): void {
    if (asked >= servicesOrder) {
        servicesOrder = asked;
        services.value = list;
        servicesAtMs.value = Date.now();
    }
}

/** Lists and events come without a history: the known one is kept. */
function merge(fresh: Rollout, known: Rollout | undefined, asked: number): Rollout {
    const history: HistoryEntry[] | undefined = fresh.history ?? known?.history;
    const outdated = known && asked < (rolloutOrder.get(fresh.id) ?? 0);
    if (!outdated) {
        rolloutOrder.set(fresh.id, asked);
    }
    const newest = outdated ? known : fresh;
    return history ? { ...newest, history } : newest;
}

export function takeRollout(fresh: Rollout, asked = ++order): void {
    const list = rollouts.peek() ?? [];
    const at = list.findIndex((r) => r.id === fresh.id);
    const merged = merge(fresh, list[at], asked);
    rollouts.value = at < 0 ? [merged, ...list] : list.map((r, i) => (i === at ? merged : r));
}

function takeRollouts(fresh: Rollout[], asked: number): void {
    const known = rollouts.peek() ?? [];
    const listed = new Set(fresh.map((r) => r.id));
    const heardOfSince = known.filter((r) => !listed.has(r.id) && asked < (rolloutOrder.get(r.id) ?? 0));
    const before = (r: Rollout) => known.find((k) => k.id === r.id);
    rollouts.value = [...heardOfSince, ...fresh.map((r) => merge(r, before(r), asked))];
}

export async function refresh(): Promise<void> {
    const asked = beforeAsking();
    try {
        const [newStatus, newServices, newRollouts] = await Promise.all([
            api.status(),
            api.services(),
            api.rollouts(),
        ]);
        status.value = newStatus;
        takeServices(newServices.services, asked);
        takeRollouts(newRollouts.rollouts, asked);
        trouble.value = "";
        refreshes.value++;
    } catch (error) {
        trouble.value = (error as Error).message;
    }
}

export async function refreshStatus(): Promise<void> {
    try {
        status.value = await api.status();
    } catch {
        // The connection's own state tells; the last known status stays.
    }
}
