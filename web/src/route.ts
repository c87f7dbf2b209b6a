// Where the page is: the hash, so that the server needs no route for it. "#/ledger?seq=4" -> ledger, {seq: "4"}.
import { signal } from "@preact/signals";

export interface Route {
    page: string;
    id: string;
    query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
    const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
    const [page = "", id = ""] = path.split("/", 2);
    return { page: page || "overview", id: decodeURIComponent(id), query: new URLSearchParams(query) };
}

export const route = signal(parseRoute(location.hash));

export function startRouting(): void {
    addEventListener("hashchange", () => {
        route.value = parseRoute(location.hash);
        scrollTo(0, 0);
    });
}

export const linkTo = {
    rollout: (id: string) => `#/rollouts/${encodeURIComponent(id)}`,
    entry: (seq: number) => `#/ledger?seq=${seq}`,
    subject: (subject: string) => `#/ledger?subject=${encodeURIComponent(subject)}`,
};
