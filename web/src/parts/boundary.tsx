import { Component, type ComponentChildren } from "preact";
import { Empty } from "./empty";

/** A page that cannot be drawn says why, and the others go on working: `of` names what is inside. */
export class Boundary extends Component<{ of: string; children: ComponentChildren }, { broken: string; of: string }> {
    override state = { broken: "", of: "" };

    override componentDidCatch(error: unknown): void {
        this.setState({ broken: error instanceof Error ? error.message : String(error), of: this.props.of });
    }

    override render() {
        if (this.state.broken === "" || this.state.of !== this.props.of) {
            return this.props.children;
        }
        return (
            <Empty title="This page cannot be drawn">
                <p>
                    What came from the server is not what this page expects: <code>{this.state.broken}</code>
                </p>
                <p>
                    <code>cqed rollout show</code> and <code>cqed ledger show</code> tell the same facts.
                </p>
            </Empty>
        );
    }
}
