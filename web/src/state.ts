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
/** When `services` came, so that ages go on growing while nothing comes. */
export const servicesAtMs = signal(0);
/** Newest first; null until they were fetched. */
export const rollouts = signal<Rollout[] | null>(null);
/** The newest entry that was heard of; pages that show the ledger fetch on its change. */
export const ledgerHead = signal<LedgerHead | null>(null);
/** Why the last fetch failed; "" when it did not. */
export const trouble = signal("");

const FINAL: ReadonlySet<RolloutStateName> = new Set(["succeeded", "rolled_back", "cancelled", "superseded"]);

export function isFinal(rollout: Rollout): boolean {
    return FINAL.has(rollout.state.state);
}

export const liveRollouts = computed(() => (rollouts.value ?? []).filter((r) => !isFinal(r)));
export const pastRollouts = computed(() => (rollouts.value ?? []).filter(isFinal));

export function takeServices(list: Service[]): void {
    services.value = list;
    servicesAtMs.value = Date.now();
}

/** Lists and events come without a history: the known one is kept. */
function withHistory(fresh: Rollout, known: Rollout | undefined): Rollout {
    const history: HistoryEntry[] | undefined = fresh.history ?? known?.history;
    return history ? { ...fresh, history } : fresh;
}

export function takeRollout(fresh: Rollout): void {
    const list = rollouts.peek() ?? [];
    const at = list.findIndex((r) => r.id === fresh.id);
    const merged = withHistory(fresh, list[at]);
    rollouts.value = at < 0 ? [merged, ...list] : list.map((r, i) => (i === at ? merged : r));
}

function takeRollouts(fresh: Rollout[]): void {
    const known = new Map((rollouts.peek() ?? []).map((r) => [r.id, r]));
    rollouts.value = fresh.map((r) => withHistory(r, known.get(r.id)));
}

export async function refresh(): Promise<void> {
    try {
        const [newStatus, newServices, newRollouts] = await Promise.all([
            api.status(),
            api.services(),
            api.rollouts(),
        ]);
        status.value = newStatus;
        takeServices(newServices.services);
        takeRollouts(newRollouts.rollouts);
        trouble.value = "";
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
