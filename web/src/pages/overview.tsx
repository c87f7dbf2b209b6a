// All services: are their promises kept, how much room is left, and what is moving.
import type { Service, Slo } from "../api";
import { serverTime } from "../clock";
import { availability, count, num } from "../format";
import { BudgetBar, BurnRates, windowText } from "../parts/budget";
import { Empty, Loading } from "../parts/empty";
import { Freshness } from "../parts/fresh";
import { Gates } from "../parts/gates";
import { RolloutRow } from "../parts/rollout_row";
import { isFinal, rollouts, services, servicesAtMs } from "../state";

function SloRow({ slo }: { slo: Slo }) {
    const missed = num(slo.ratio) < num(slo.target);
    return (
        <article class="slo" data-testid="slo" data-slo={slo.name}>
            <div class="slo-name">
                <h3 title={slo.description || slo.name}>{slo.displayName || slo.name}</h3>
                <p class="quiet">
                    <code>{slo.name}</code> · {slo.kind}
                    {slo.selfCheck?.noisy && (
                        <b class="problem" title={slo.selfCheck.noisy}>
                            {" "}
                            · too noisy to gate on
                        </b>
                    )}
                </p>
                <Freshness freshMs={slo.freshMs} atMs={serverTime(servicesAtMs.value)} />
            </div>
            <div class="slo-ratio">
                {slo.error && <p class="problem">{slo.error}</p>}
                <p class={`big ${missed ? "is-bad" : ""}`}>{availability(slo.ratio)}</p>
                <p class="quiet">
                    target {availability(slo.target)} over {windowText(slo)}
                    {slo.partial && (
                        <span title="the store does not reach back over the whole window yet"> (so far)</span>
                    )}
                </p>
                <p class="quiet">
                    {num(slo.total) > 0 ? `${count(slo.bad)} bad of ${count(slo.total)}` : "no events in the window"}
                </p>
            </div>
            <BudgetBar remaining={slo.budgetRemaining} />
            <BurnRates slo={slo} />
        </article>
    );
}

function ServiceCard({ service }: { service: Service }) {
    const mine = (rollouts.value ?? []).filter((r) => r.state.service === service.service);
    const shown = mine.find((r) => r.id === service.rollout && !isFinal(r)) ?? mine[0];
    return (
        <section class="card service" data-testid="service" data-service={service.service}>
            <h2>{service.service}</h2>
            {shown ? <RolloutRow rollout={shown} compact /> : <p class="quiet norollout">no rollout yet</p>}
            {service.anomaly?.active && (
                <p class="problem" data-testid="anomaly">
                    departs from its own past: {service.anomaly.sentence}
                </p>
            )}
            {service.slos.length === 0 && (
                <p class="quiet">No SLO names this service. Without one there is no evidence to decide on.</p>
            )}
            {service.slos.map((slo) => (
                <SloRow key={slo.name} slo={slo} />
            ))}
        </section>
    );
}

function FirstSteps() {
    return (
        <Empty title="No services yet">
            <p>cQED decides on evidence, so it first needs some. Three things, in this order:</p>
            <ol>
                <li>
                    <b>Telemetry in.</b> Name your services under <code>scrape_configs</code> in{" "}
                    <code>cqed.yaml</code>, as in Prometheus, or send OTLP metrics to <code>POST /v1/metrics</code>{" "}
                    here. What arrives shows under <a href="#/targets">Targets</a>.
                </li>
                <li>
                    <b>A promise.</b> Write an OpenSLO file and a rollout policy for the service.{" "}
                    <code>cqed check</code> tells every mistake with its file and line.
                </li>
                <li>
                    <b>A change.</b> Announce a deployment:
                    <pre tabIndex={0}>cqed rollout start SERVICE --version v2</pre>
                </li>
            </ol>
            <p>
                Rather see it work first? <code>make demo</code> runs the whole loop on this machine.
            </p>
        </Empty>
    );
}

export function OverviewPage() {
    const list = services.value;
    return (
        <>
            <h1 class="hidden">Overview</h1>
            {list === null ? <Loading /> : list.length === 0 ? <FirstSteps /> : null}
            <div class="services">
                {(list ?? []).map((service) => (
                    <ServiceCard key={service.service} service={service} />
                ))}
            </div>
            <Gates />
        </>
    );
}
