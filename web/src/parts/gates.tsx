// Gates: the question that CI asks, asked by hand. The answer goes into the ledger like any other.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, type Gate, type GateAnswer } from "../api";
import { linkTo } from "../route";
import { refreshes } from "../state";
import { EvidenceBadge } from "./badge";

function Answer({ answer }: { answer: GateAnswer }) {
    return (
        <div class="gate-answer" data-testid="gate-answer" data-state={answer.state}>
            <p>
                <EvidenceBadge state={answer.state} />
                <span>
                    exit code {answer.exitCode}, <a href={linkTo.entry(answer.seq)}>ledger #{answer.seq}</a>
                </span>
            </p>
            <ul>
                {answer.checks.map((e) => (
                    <li key={e.check}>
                        <EvidenceBadge state={e.state} />
                        <b>{e.check}</b> {e.sentence}
                    </li>
                ))}
            </ul>
        </div>
    );
}

function GateRow({ gate }: { gate: Gate }) {
    const busy = useSignal(false);
    const problem = useSignal("");
    const answer = useSignal<GateAnswer | null>(null);
    const ask = async () => {
        busy.value = true;
        problem.value = "";
        try {
            answer.value = await api.askGate(gate.name);
        } catch (error) {
            problem.value = (error as Error).message;
        }
        busy.value = false;
    };
    return (
        <li data-testid="gate" data-gate={gate.name}>
            <div class="gate-line">
                <b>{gate.name}</b>
                <span class="quiet">for {gate.service}</span>
                <code class="quiet">cqed gate {gate.name}</code>
                <span class="spring" />
                <button onClick={() => void ask()} disabled={busy.value} data-testid="ask-gate">
                    {busy.value ? "asking…" : "Ask now"}
                </button>
            </div>
            {problem.value && <p class="problem">{problem.value}</p>}
            {answer.value && <Answer answer={answer.value} />}
        </li>
    );
}

export function Gates() {
    const gates = useSignal<Gate[]>([]);
    useEffect(() => {
        const fetchNow = async () => {
            try {
                gates.value = (await api.gates()).gates;
            } catch {
                // The frame tells that the server does not answer.
            }
        };
        void fetchNow();
    }, [refreshes.value]);
    if (gates.value.length === 0) {
        return null;
    }
    return (
        <section class="card gates" aria-label="gates">
            <h2>Gates</h2>
            <ul>
                {gates.value.map((gate) => (
                    <GateRow key={gate.name} gate={gate} />
                ))}
            </ul>
        </section>
    );
}
