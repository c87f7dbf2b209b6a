/* The table of commands. A new command is an entry here, its function in internal.h and a file. */
#include "cli/internal.h"

const struct option_spec common_options[] = {
    {"help", 'h', NULL, "say how this command is used"},
    {"server", 's', "URL", "the server; default $CQED_SERVER, else " DEFAULT_SERVER},
    {"json", 0, NULL, "print JSON, on one line"},
    {"version", 'V', NULL, "print the version"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec serve_options[] = {
    {"config", 'c', "FILE", "default: cqed.yaml when it is there, else none"},
    {"listen", 0, "ADDRESS", "where the API and the page answer; default 127.0.0.1:9797"},
    {"data", 'd', "DIR", "where telemetry and the ledger are kept; default data"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec check_metrics_options[] = {
    {"format", 0, "FORMAT", "openmetrics, text or protobuf; default: by Content-Type or \"# EOF\""},
    {"strict", 0, NULL, "warnings count as errors"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec check_options[] = {
    {"forecast", 0, NULL, "what the rollouts can show, with the traffic that the server sees"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec gate_options[] = {
    {"wait", 'w', "DURATION", "ask again until it passes or fails, at most this long"},
    {"every", 0, "DURATION", "how often --wait asks; default 5s"},
    {"junit", 0, "FILE", "write a JUnit report"},
    {"summary", 0, "FILE", "write a Markdown summary"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec start_options[] = {
    {"version", 0, "VERSION", "the version to roll out; required"},
    {"stable", 0, "VERSION", "the version that serves now"},
    {"author", 0, "NAME", "whose change it is, who may not approve it; default $USER"},
    {"change", 0, "KIND", "normal, fix, security or p0; default normal"},
    {"idempotency-key", 0, "KEY", "the same key gives the same rollout again"},
    {"watch", 0, NULL, "follow it until it ends"},
    {"timeout", 0, "DURATION", "with --watch: stop following after this long, exit 4"},
    {"dry-run", 0, NULL, "say what would be asked for and what it could show, and ask for nothing"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec watch_options[] = {
    {"timeout", 0, "DURATION", "stop following after this long, exit 4"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec act_options[] = {
    {"reason", 'r', "TEXT", "why; required, and kept in the ledger"},
    {"actor", 0, "NAME", "who; default $USER"},
    {"role", 0, "ROLE", "operator, approver or ci; default operator (approve: approver)"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec promote_options[] = {
    {"reason", 'r', "TEXT", "why; required, and kept in the ledger"},
    {"actor", 0, "NAME", "who; default $USER"},
    {"role", 0, "ROLE", "operator, approver or ci; default operator"},
    {"full", 0, NULL, "to 100% at once"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec query_options[] = {
    {"data", 'd', "DIR", "read this data folder, a Prometheus's or ours, without a server"},
    {"at", 0, "TIME", "as of then, in seconds since 1970 or RFC 3339; default: now"},
    {"range", 0, "DURATION", "the values of this long until now, as a line of bars"},
    {"step", 0, "DURATION", "between values; default: the range in 60 parts, at least 1s"},
    {"source", 0, "NAME", "ask this one of the server's telemetry.sources, not its own store"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec ledger_show_options[] = {
    {"data", 'd', "DIR", "read the ledger in this folder, without a server"},
    {"from", 0, "N", "first entry; negative counts from the end; default: the last ones"},
    {"limit", 0, "N", "at most so many; default 50"},
    {"subject", 0, "ID", "only entries about this rollout or gate"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec ledger_verify_options[] = {
    {"data", 'd', "DIR", "check the ledger in this folder oneself, without a server"},
    {"key", 0, "KEY", "with --data: hold signatures against this verifier key"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec ledger_replay_options[] = {
    {"data", 'd', "DIR", "replay the ledger in this folder, without a server"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec judge_options[] = {
    {"traces", 0, "DIR", "judge a set of traces instead of two files"},
    {"out", 'o', "FILE", "with --traces: where the verdicts go; default standard output"},
    {"total", 0, "QUERY", "instead of files: a counter of all requests of {{version}}, in PromQL"},
    {"bad", 0, "QUERY", "with --total: of the bad ones"},
    {"latency", 0, "QUERY", "with --total: of the requests by le, if latency is judged too"},
    {"stable", 0, "VERSION", "with --total"},
    {"canary", 0, "VERSION", "with --total"},
    {"range", 0, "DURATION", "with --total: how far back; default 1h"},
    {"step", 0, "DURATION", "with --total: from row to row; default 15s"},
    {"start", 0, "SECONDS", "rows up to this time are history to learn from"},
    {"tolerate", 0, "RATIO", "how much more errors still count as healthy; default 0.05%"},
    {"alpha", 0, "RATIO", "how often an unchanged canary may be found harmful; default 5%"},
    {"weight", 0, "RATIO", "the canary's share as configured: judge the traffic too"},
    {"warmup", 0, "DURATION", "how long new instances may be worse; default none"},
    {"alone", 0, NULL, "learn from stable's history alone, as a live rollout does"},
    {"dwell", 0, "DURATION", "no pass before; default 0, with --traces 5m"},
    {"kayenta", 0, "FILE",
     "a RemoteJudge request of Kayenta: its judge's answer, and cQED's beside"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec test_rules_options[] = {
    {"run", 0, "REGEX", "only tests whose name it matches"},
    {"junit", 0, "FILE", "write a JUnit report"},
    {NULL, 0, NULL, NULL},
};

static const char exits_of_watch[] = "Exit: 0 succeeded, 1 rolled back, cancelled or superseded, "
                                     "4 --timeout is over, 5 unreachable.";

const struct command commands[] = {
    {.name = "serve",
     .arguments = "",
     .run = run_serve,
     .summary = "run the loop, the API and the page",
     .details = "Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again. Options "
                "override the file; without a file it runs with the defaults.",
     .example = "cqed serve -c cqed.yaml --data /var/lib/cqed",
     .options = serve_options},
    {.name = "check",
     .arguments = "[PATH...]",
     .max_words = 1000,
     .talks = true,
     .prints = true,
     .run = run_check,
     .summary = "validate configuration and policies",
     .details =
         "A PATH is a cqed.yaml, a file of policies or rules, or a folder of them; without one, "
         "./cqed.yaml. Every problem is printed with its place. Exit: 0 usable, 1 errors "
         "found.",
     .example = "cqed check cqed.yaml\ncqed check policies --forecast",
     .options = check_options},
    {.name = "check metrics",
     .arguments = "FILE|URL|-",
     .min_words = 1,
     .max_words = 1,
     .prints = true,
     .run = run_check_metrics,
     .summary = "validate what an application exposes, strictly",
     .details =
         "Reads OpenMetrics 1.0 or Prometheus's text 0.0.4 from a file, a target or standard "
         "input. Errors are what the format forbids, warnings what it advises against, names "
         "and units included. Scraping itself is lenient. Exit: 0 sound, 1 errors found, 5 "
         "unreachable.",
     .example = "cqed check metrics http://127.0.0.1:8001/metrics\n"
                "curl -s http://127.0.0.1:8001/metrics | cqed check metrics -",
     .options = check_metrics_options},
    {.name = "status",
     .arguments = "",
     .talks = true,
     .prints = true,
     .run = run_status,
     .summary = "how the server is",
     .example = "cqed status"},
    {.name = "gate",
     .arguments = "NAME",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_gate,
     .summary = "ask for a decision; the exit code is the answer",
     .details = "Exit: 0 pass, 1 fail (harm shown), 2 wrong use or a broken policy or query, "
                "3 insufficient or blind, 4 --wait is over, 5 unreachable or unauthorised.",
     .example = "cqed gate pre-deploy --wait 10m --junit gate.xml",
     .options = gate_options},
    {.name = "rollout start",
     .arguments = "SERVICE",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_start,
     .summary = "announce a deployment; its evidence decides from here",
     .example = "cqed rollout start shop --version v2 --stable v1 --watch",
     .options = start_options},
    {.name = "rollout list",
     .arguments = "",
     .talks = true,
     .prints = true,
     .run = run_rollout_list,
     .summary = "rollouts, newest first",
     .example = "cqed rollout list"},
    {.name = "rollout show",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_show,
     .summary = "one rollout: where it stands, its evidence, its history",
     .example = "cqed rollout show shop"},
    {.name = "rollout explain",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_explain,
     .summary = "each check: effect, samples, dispersion, and its evidence of harm over time",
     .details =
         "A check fails when its evidence reaches the upper line. --json gives the snapshot\n"
         "that the last decision rested on.",
     .example = "cqed rollout explain shop"},
    {.name = "rollout watch",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_watch,
     .summary = "follow a rollout until it ends",
     .details = exits_of_watch,
     .example = "cqed rollout watch shop",
     .options = watch_options},
    {.name = "rollout promote",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "go to the next step now",
     .example = "cqed rollout promote shop --reason \"checked by hand\"",
     .options = promote_options},
    {.name = "rollout skip-hold",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "end the present step's hold; evidence still decides",
     .example = "cqed rollout skip-hold shop --reason \"known good fix\"",
     .options = act_options},
    {.name = "rollout approve",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "approve what the rollout asks for",
     .example = "cqed rollout approve shop --actor bo --reason \"read the change\"",
     .options = act_options},
    {.name = "rollout pause",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "keep the exposure where it is; harm still rolls back",
     .example = "cqed rollout pause shop --reason \"looking at a log line\"",
     .options = act_options},
    {.name = "rollout resume",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "go on after a pause",
     .example = "cqed rollout resume shop --reason \"it was the old bug\"",
     .options = act_options},
    {.name = "rollout abort",
     .arguments = "SERVICE|ID",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_rollout_act,
     .summary = "all traffic back to stable",
     .example = "cqed rollout abort shop --reason \"customers report errors\"",
     .options = act_options},
    {.name = "slo list",
     .arguments = "",
     .talks = true,
     .prints = true,
     .run = run_slo_list,
     .summary = "objectives with their budgets and burn rates",
     .example = "cqed slo list"},
    {.name = "slo show",
     .arguments = "NAME",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_slo_show,
     .summary = "one objective",
     .example = "cqed slo show shop-availability"},
    {.name = "query",
     .arguments = "PROMQL",
     .min_words = 1,
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_query,
     .summary = "ask the store in PromQL",
     .details = "--json prints the answer of Prometheus's own API. With --data only the blocks are "
                "read, not what is newer (the log, head chunks); the default time is their end.",
     .example = "cqed query 'sum by (version) (rate(http_requests_total[1m]))' --range 15m\n"
                "cqed query 'count(up)' --data data",
     .options = query_options},
    {.name = "ledger show",
     .arguments = "[SEQ]",
     .max_words = 1,
     .talks = true,
     .prints = true,
     .run = run_ledger_show,
     .summary = "what was decided and done, or one entry whole",
     .example = "cqed ledger show --limit 20\ncqed ledger show 17",
     .options = ledger_show_options},
    {.name = "ledger verify",
     .arguments = "",
     .talks = true,
     .prints = true,
     .run = run_ledger_verify,
     .summary = "prove that no entry was changed, removed, inserted or moved",
     .details = "With --data nothing but the files is trusted; keep the verifier key elsewhere "
                "and give it with --key. Without, the server checks itself. Exit: 0 whole, "
                "1 tampering found.",
     .example = "cqed ledger verify\ncqed ledger verify --data data",
     .options = ledger_verify_options},
    {.name = "ledger replay",
     .arguments = "",
     .talks = true,
     .prints = true,
     .run = run_ledger_replay,
     .summary = "decide everything again from its evidence and compare",
     .details = "Runs here, with this program's rules. Exit: 0 every decision is the same byte for "
                "byte, 1 one differs.",
     .example = "cqed ledger replay\ncqed ledger replay --data data",
     .options = ledger_replay_options},
    {.name = "judge",
     .arguments = "[STABLE.csv CANARY.csv]",
     .max_words = 2,
     .prints = true,
     .run = run_judge,
     .summary = "a verdict on counters in files, without a server",
     .details =
         "Each file has a line time,total,bad and, for latency, le_0.1,...,le_+Inf; counters "
         "as Prometheus keeps them. docs/manual/judge.md says more. Exit: 0 pass, 1 fail "
         "(harm shown), 2 wrong use or files, 3 insufficient; with --kayenta 0 Pass, 1 Fail, 3 "
         "Marginal.",
     .example = "cqed judge stable.csv canary.csv --tolerate 0.1%\n"
                "cqed judge --traces traces --out verdicts.jsonl\n"
                "cqed judge --kayenta request.json\n"
                "cqed judge --stable v1 --canary v2 --total "
                "'sum(http_requests_total{version=\"{{version}}\"})' "
                "--bad 'sum(http_requests_total{version=\"{{version}}\",code=~\"5..\"})'",
     .options = judge_options},
    {.name = "test rules",
     .arguments = "FILE...",
     .min_words = 1,
     .max_words = 1000,
     .prints = true,
     .run = run_test_rules,
     .summary = "run unit tests of recording and alerting rules",
     .details = "The format is promtool's (prometheus.io/docs, \"Unit testing for rules\"); the "
                "engine is cQED's own. Exit: 0 all as expected, 1 not.",
     .example = "cqed test rules tests.yml --junit rules.xml",
     .options = test_rules_options},
    {.name = "version",
     .arguments = "",
     .prints = true,
     .run = run_version,
     .summary = "print the version",
     .example = "cqed version"},
    {.name = "help",
     .arguments = "[COMMAND]",
     .max_words = 2,
     .run = run_help,
     .summary = "say how a command is used",
     .example = "cqed help rollout start"},
};

const size_t n_commands = COUNT_OF(commands);
