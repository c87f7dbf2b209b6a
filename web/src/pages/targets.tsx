// Where telemetry is fetched from, and whether that works.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { api, type Target } from "../api";
import { now } from "../clock";
import { ago, inUnit } from "../format";
import { Empty, Loading } from "../parts/empty";
import { icons } from "../parts/icons";

const EVERY_MS = 3000;

function TargetRow({ target }: { target: Target }) {
    const up = target.health === "up";
    const scraped = Date.parse(target.lastScrape);
    return (
        <tr class={up ? "" : "is-down"} data-testid="target" data-health={target.health}>
            <td>
                <span class={`badge tone-${up ? "good" : target.health === "down" ? "bad" : "done"}`}>
                    {up ? icons.tick : icons.cross}
                    {target.health}
                </span>
            </td>
            <td>
                <code>{target.scrapeUrl}</code>
                {target.lastError && <p class="problem">{target.lastError}</p>}
            </td>
            <td>{target.scrapePool}</td>
            <td>
                <div class="labels">
                    {Object.entries(target.labels).map(([name, value]) => (
                        <code key={name}>
                            {name}="{value}"
                        </code>
                    ))}
                </div>
            </td>
            <td class="number">{Number.isFinite(scraped) && scraped > 0 ? ago(scraped, now.value) : "never"}</td>
            <td class="number">{inUnit(target.lastScrapeDuration, "seconds")}</td>
        </tr>
    );
}

export function TargetsPage() {
    const targets = useSignal<Target[] | null>(null);
    const problem = useSignal("");
    useEffect(() => {
        const fetchNow = async () => {
            try {
                targets.value = (await api.targets()).data.activeTargets ?? [];
                problem.value = "";
            } catch (error) {
                problem.value = (error as Error).message;
            }
        };
        void fetchNow();
        const timer = setInterval(() => void fetchNow(), EVERY_MS);
        return () => clearInterval(timer);
    }, []);
    const list = targets.value;
    return (
        <>
            <h1>Targets</h1>
            {problem.value && <p class="problem">{problem.value}</p>}
            {list === null && !problem.value && <Loading />}
            {list?.length === 0 && (
                <Empty title="Nothing is scraped">
                    <p>
                        Add <code>scrape_configs</code> to <code>cqed.yaml</code> and reload with{" "}
                        <code>POST /-/reload</code> or SIGHUP. Services that push OTLP do not show here.
                    </p>
                </Empty>
            )}
            {list && list.length > 0 && (
                <div class="card scroll" tabIndex={0} role="region" aria-label="targets">
                    <table>
                        <thead>
                            <tr>
                                <th>Health</th>
                                <th>Address</th>
                                <th>Job</th>
                                <th>Labels</th>
                                <th class="number">Last scrape</th>
                                <th class="number">Took</th>
                            </tr>
                        </thead>
                        <tbody>
                            {list.map((target) => (
                                <TargetRow key={target.scrapeUrl + JSON.stringify(target.labels)} target={target} />
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
        </>
    );
}
