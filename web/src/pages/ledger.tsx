// The record of everything decided and done, newest first, and the means to check it.
import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, type LedgerEntry } from "../api";
import { now } from "../clock";
import { clockTime, count, num, shortHash, weight, words } from "../format";
import { Empty, Loading } from "../parts/empty";
import { icons } from "../parts/icons";
import { JsonView } from "../parts/json";
import { EntryProof } from "../parts/proof";
import { VerifyCard } from "../parts/verify";
import { entryText } from "../proof";
import { linkTo, route } from "../route";
import { ledgerHead, refreshes, rollouts, status } from "../state";

const PAGE = 50;
const MAX_OF_SUBJECT = 1000;
const MAX_SHOWN = 500; // of those that come by themselves; a page may stay open for days

type Body = Record<string, any>;

function firstSentence(reasons: { sentence: string }[] | undefined): string {
    return reasons?.[0]?.sentence ?? "";
}

/** What an entry says, in a line. */
export function summaryOf(entry: LedgerEntry): string {
    const body = (entry.body ?? {}) as Body;
    switch (entry.kind) {
        case "decision":
            return `${words(body["decision"]?.verdict ?? "")}: ${firstSentence(body["decision"]?.reasons)}`;
        case "human": {
            const act = body["act"] ?? body;
            return `${act.actor}: ${words(act.kind ?? "")}, “${act.reason}”`;
        }
        case "intent":
            return `tell ${body["actuator"] ?? "the actuator"} ${weight(body["weightPct"])}`;
        case "observation":
            return Number.isNaN(num(body["observedPct"]))
                ? `not known: ${body["error"]}`
                : `${weight(body["observedPct"])} in force`;
        case "rollout": {
            const { stableVersion, canaryVersion, author } = (body["state"] ?? {}) as Body;
            return `${stableVersion} → ${canaryVersion}, asked for by ${author}`;
        }
        case "gate":
            return `${body["state"]}: ${firstSentence(body["reasons"])}`;
        case "start":
            return `cQED ${body["version"] ?? ""} started`;
        default:
            return "";
    }
}

function EntryDetail({ entry }: { entry: LedgerEntry }) {
    const raw = useSignal(false);
    return (
        <div class="entry-detail" data-testid="entry-detail">
            <EntryProof entry={entry} />
            <p class="quiet">
                leaf <code class="hash">{entry.leaf}</code>
            </p>
            <div class="tabs" role="group" aria-label="how to show the entry">
                <button class="tab" aria-pressed={!raw.value} onClick={() => (raw.value = false)}>
                    For reading
                </button>
                <button class="tab" aria-pressed={raw.value} onClick={() => (raw.value = true)}>
                    As it was hashed
                </button>
            </div>
            {raw.value ? (
                <pre class="json wrap" tabIndex={0} data-testid="entry-canonical">
                    {entryText(entry)}
                </pre>
            ) : (
                <JsonView value={entry.body} />
            )}
        </div>
    );
}

function EntryRow({ entry, open }: { entry: LedgerEntry; open: Signal<number | null> }) {
    const isOpen = open.value === entry.seq;
    return (
        <li class={`entry kind-${entry.kind}`} data-testid="ledger-entry" data-seq={entry.seq} data-kind={entry.kind}>
            <div class="entry-line">
                <button
                    class="plain expand"
                    aria-expanded={isOpen}
                    onClick={() => (open.value = isOpen ? null : entry.seq)}
                    aria-label={`entry ${entry.seq}`}
                    data-testid="expand-entry"
                >
                    {icons.chevron}
                </button>
                <span class="seq number">#{entry.seq}</span>
                <time dateTime={new Date(entry.atMs).toISOString()}>{clockTime(entry.atMs, now.value)}</time>
                <span class={`badge kind kind-${entry.kind}`}>{entry.kind}</span>
                <span class="summary">{summaryOf(entry)}</span>
                {entry.subject && (
                    <a class="subject" href={linkTo.subject(entry.subject)} title={`only ${entry.subject}`}>
                        {entry.subject}
                    </a>
                )}
                <code class="hash quiet">{shortHash(entry.leaf)}</code>
            </div>
            {isOpen && <EntryDetail entry={entry} />}
        </li>
    );
}

interface Shown {
    entries: Signal<LedgerEntry[] | null>; // newest first
    problem: Signal<string>;
    older: () => Promise<void>;
}

/** The entries of a subject, or the newest ones and more on demand; `seq` brings its neighbours. */
function useEntries(subject: string, seq: number | null): Shown {
    const entries = useSignal<LedgerEntry[] | null>(null);
    const problem = useSignal("");
    const guard = async (work: () => Promise<void>) => {
        try {
            await work();
            problem.value = "";
        } catch (error) {
            problem.value = (error as Error).message;
        }
    };
    const first = () =>
        guard(async () => {
            const from = subject ? 0 : seq === null ? -PAGE : Math.max(0, seq - PAGE / 2);
            const page = await api.ledger(from, subject ? MAX_OF_SUBJECT : PAGE, subject);
            entries.value = page.entries.reverse();
        });
    const newer = () =>
        guard(async () => {
            const last = entries.peek()?.[0]?.seq ?? -1;
            const page = await api.ledger(last + 1, MAX_OF_SUBJECT, subject);
            const newest = entries.peek()?.[0]?.seq ?? -1; // another fetch may have come first
            const fresh = page.entries.filter((entry) => entry.seq > newest).reverse();
            const known = entries.peek() ?? [];
            entries.value = [...fresh, ...known].slice(0, Math.max(MAX_SHOWN, known.length));
        });
    const older = () =>
        guard(async () => {
            const oldest = entries.peek()?.at(-1)?.seq ?? 0;
            const from = Math.max(0, oldest - PAGE);
            const page = await api.ledger(from, oldest - from, "");
            entries.value = [...(entries.peek() ?? []), ...page.entries.reverse()];
        });
    useEffect(() => {
        entries.value = null;
        void first();
    }, [subject, seq]);
    useSignalEffect(() => {
        const head = ledgerHead.value?.seq ?? -1;
        const missed = refreshes.value > 0; // whatever came while nobody listened
        const known = entries.peek();
        if (known && seq === null && (missed || head > (known[0]?.seq ?? -1))) {
            void newer();
        }
    });
    return { entries, problem, older };
}

function SubjectFilter({ subject }: { subject: string }) {
    const go = (value: string) => {
        location.hash = value ? linkTo.subject(value) : "#/ledger";
    };
    return (
        <div class="filter">
            <label>
                Subject
                <select value={subject} onChange={(e) => go(e.currentTarget.value)} data-testid="ledger-subject">
                    <option value="">everything</option>
                    {subject && !(rollouts.value ?? []).some((r) => r.id === subject) && (
                        <option value={subject}>{subject}</option>
                    )}
                    {(rollouts.value ?? []).map((r) => (
                        <option key={r.id} value={r.id}>
                            {r.id}
                        </option>
                    ))}
                </select>
            </label>
            {subject && (
                <a href="#/ledger" data-testid="clear-subject">
                    show everything
                </a>
            )}
        </div>
    );
}

export function LedgerPage() {
    const query = route.value.query;
    const subject = query.get("subject") ?? "";
    const seq = query.has("seq") ? Number(query.get("seq")) : null;
    const open = useSignal<number | null>(seq);
    const { entries, problem, older } = useEntries(subject, seq);
    useEffect(() => {
        open.value = seq;
    }, [seq]);
    const list = entries.value;
    useEffect(() => {
        if (seq !== null && list) {
            document.querySelector(`[data-seq="${seq}"]`)?.scrollIntoView({ block: "center" });
        }
    }, [seq, list !== null]);
    const size = Math.max(status.value?.ledger.size ?? 0, (ledgerHead.value?.seq ?? -1) + 1);
    return (
        <>
            <div class="page-head">
                <h1>Ledger</h1>
                <span class="quiet">{count(size)} entries</span>
                <span class="spring" />
                <SubjectFilter subject={subject} />
            </div>
            <VerifyCard />
            {problem.value && <p class="problem">{problem.value}</p>}
            {list === null && !problem.value && <Loading />}
            {list?.length === 0 && (
                <Empty title="No entries">
                    <p>Every decision, act and observation will be here, each with its proof.</p>
                </Empty>
            )}
            {list && list.length > 0 && (
                <ol class="card entries" data-testid="ledger-entries">
                    {list.map((entry) => (
                        <EntryRow key={entry.seq} entry={entry} open={open} />
                    ))}
                </ol>
            )}
            {!subject && list && (list.at(-1)?.seq ?? 0) > 0 && (
                <p>
                    <button onClick={() => void older()} data-testid="ledger-older">
                        Older entries
                    </button>
                </p>
            )}
        </>
    );
}
