// What is around every page: where you are, whether it is live, what cQED itself is doing.
import { effect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { switchTheme, theme } from "../appearance";
import { now } from "../clock";
import { count, duration, shortHash } from "../format";
import { LedgerPage } from "../pages/ledger";
import { OverviewPage } from "../pages/overview";
import { RolloutPage } from "../pages/rollout";
import { RolloutsPage } from "../pages/rollouts";
import { TargetsPage } from "../pages/targets";
import { route } from "../route";
import { connection, ledgerHead, liveRollouts, rollouts, status, trouble } from "../state";
import { Boundary } from "./boundary";
import { Empty } from "./empty";
import { icons, Mark } from "./icons";
import { headline } from "./verdict";

function ThemeButton() {
    const other = theme.value === "dark" ? "light" : "dark";
    return (
        <button
            class="plain"
            onClick={switchTheme}
            aria-label={`switch to the ${other} theme`}
            data-testid="theme-toggle"
        >
            {theme.value === "dark" ? icons.sun : icons.moon}
        </button>
    );
}

function ConnectionState() {
    const state = connection.value;
    return (
        <span class={`connection is-${state}`} role="status" data-testid="connection" data-state={state}>
            <i class="dot" />
            {state}
        </span>
    );
}

function NavLink({ page, children }: { page: string; children: ComponentChildren }) {
    const here = route.value.page === page;
    return (
        <a
            href={`#/${page === "overview" ? "" : page}`}
            aria-current={here ? "page" : undefined}
            data-testid={`nav-${page}`}
        >
            {children}
        </a>
    );
}

function Header() {
    const live = liveRollouts.value.length;
    return (
        <header class="top">
            <a class="brand" href="#/" aria-label="cQED, overview">
                <Mark />
                <span>
                    c<b>QED</b>
                </span>
            </a>
            <nav aria-label="pages">
                <NavLink page="overview">Overview</NavLink>
                <NavLink page="rollouts">Rollouts{live > 0 && <span class="pip">{live}</span>}</NavLink>
                <NavLink page="ledger">Ledger</NavLink>
                <NavLink page="targets">Targets</NavLink>
            </nav>
            <span class="spring" />
            <ConnectionState />
            <ThemeButton />
        </header>
    );
}

function StatusLine() {
    const s = status.value;
    const heard = (ledgerHead.value?.seq ?? -1) + 1;
    if (!s) {
        return <footer class="statusline">cQED</footer>;
    }
    return (
        <footer class="statusline" data-testid="statusline">
            <span>cQED {s.version}</span>
            <span>up {duration(now.value - s.startedMs)}</span>
            <a href="#/targets" class={s.targets.up < s.targets.total ? "is-warn" : ""}>
                {s.targets.up} of {s.targets.total} targets up
            </a>
            <span>{count(s.series)} series</span>
            <a href="#/ledger">
                ledger {count(Math.max(s.ledger.size, heard))}{" "}
                {s.ledger.size >= heard && <code>{shortHash(s.ledger.root)}</code>}
            </a>
        </footer>
    );
}

function Page() {
    const { page, id } = route.value;
    switch (page) {
        case "overview":
            return <OverviewPage />;
        case "rollouts":
            return id ? <RolloutPage key={id} id={id} /> : <RolloutsPage />;
        case "ledger":
            return <LedgerPage />;
        case "targets":
            return <TargetsPage />;
        default:
            return (
                <Empty title="There is no such page">
                    <p>
                        Nothing is at <code>{location.hash}</code>. <a href="#/">Back to the overview</a>.
                    </p>
                </Empty>
            );
    }
}

/** The browser's tab tells how it goes. */
function titleNow(): string {
    const { page, id } = route.value;
    const shown = page === "rollouts" && id ? (rollouts.value ?? []).find((r) => r.id === id) : undefined;
    if (shown) {
        return `${shown.state.service} ${shown.state.canaryVersion}: ${headline(shown)} · cQED`;
    }
    return page === "overview" ? "cQED" : `${page[0]?.toUpperCase()}${page.slice(1)} · cQED`;
}

effect(() => {
    document.title = titleNow();
});

export function Frame() {
    return (
        <>
            <a class="skip" href="#main" onClick={skipToMain}>
                Skip to the content
            </a>
            <Header />
            {trouble.value && (
                <p class="trouble" role="alert" data-testid="trouble">
                    {icons.error} {trouble.value}. What is shown may be old.
                </p>
            )}
            <main id="main" tabIndex={-1}>
                <Boundary of={`${route.value.page}/${route.value.id}`}>
                    <Page />
                </Boundary>
            </main>
            <StatusLine />
        </>
    );
}

/** The hash is the route, so the link must not change it. */
function skipToMain(event: Event): void {
    event.preventDefault();
    document.getElementById("main")?.focus();
}
