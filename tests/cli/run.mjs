// node tests/cli/run.mjs CQED CASE.test: the commands against a real server. README.md says what a
// case looks like.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { World } from "./world.mjs";

const LIMIT_MS = 90_000; // of one command
const CASE_LIMIT_MS = 140_000; // before CTest's own, which would leave the server behind
const here = dirname(fileURLToPath(import.meta.url));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function runShell(world, line) {
  return new Promise((done) => {
    const shell = spawn("sh", ["-c", line], {
      cwd: world.folder,
      env: {
        PATH: `${dirname(world.cqed)}:${process.env.PATH}`,
        HOME: world.folder,
        USER: "ann",
        TZ: "UTC",
        CQED_SERVER: world.address,
        ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? "",
      },
    });
    const result = { line, code: null, out: "", err: "" };
    const timer = setTimeout(() => shell.kill("SIGKILL"), LIMIT_MS);
    shell.stdout.on("data", (bytes) => {
      result.out += bytes;
      if (world.crashWhen && result.out.includes(world.crashWhen)) {
        world.crashWhen = null;
        world.crash().catch((error) => (result.err += error.message));
      }
    });
    shell.stderr.on("data", (bytes) => (result.err += bytes));
    shell.on("close", (code) => {
      clearTimeout(timer);
      result.code = code;
      done(result);
    });
  });
}

// A text, or /a regular expression/.
function fits(text, wanted) {
  const regex = /^\/(.*)\/$/.exec(wanted);
  return regex ? new RegExp(regex[1], "m").test(text) : text.includes(wanted);
}

const does = {
  async world(world, rest) {
    const [what, value] = rest.split(/\s+/);
    world.count();
    if (what === "canary-errors") world.errors.v2 = parseFloat(value) / 100;
    else if (what === "stable-errors") world.errors.v1 = parseFloat(value) / 100;
    else if (what === "silence") world.silent = value === "on";
    else if (what === "stop-server") await world.stopServer();
    else if (what === "crash-when") world.crashWhen = rest.slice(what.length).trim();
    else throw new Error(`unknown: world ${rest}`);
  },
  async sleep(world, rest) {
    await sleep(parseFloat(rest) * 1000);
  },
  // Every example of a manual page, in its order. `cqed serve` is what the world runs already.
  async examples(world, path) {
    const text = await readFile(resolve(here, "../..", path), "utf8");
    const { out } = await runShell(world, "cqed --help");
    const names = [...out.matchAll(/^  (\S+(?: \S+)?)  +\S/gm)].map((match) => match[1]);
    if (names.length < 10) throw new Error(`no list of commands in:\n${out}`);
    for (const name of names)
      if (!text.includes(`cqed ${name}`)) throw new Error(`${path} does not tell of \`cqed ${name}\``);
    for (const [, line] of text.matchAll(/^ {4}(cqed .*)$/gm)) {
      if (line.startsWith("cqed serve")) continue;
      const result = await runShell(world, line);
      if (![0, 1, 3].includes(result.code)) expect(result, "exit", "0");
    }
  },
  // Telemetry needs a moment: ask until it answers so.
  async until(world, rest) {
    const [line, wanted] = rest.split(" => ");
    const end = Date.now() + LIMIT_MS / 3;
    let last;
    do {
      last = await runShell(world, line);
      if (fits(last.out + last.err, wanted)) return;
      await sleep(200);
    } while (Date.now() < end);
    throw new Error(`'${wanted}' did not come:\n${last.out}${last.err}`);
  },
};

function expect(result, kind, wanted) {
  if (!result) throw new Error("nothing was run yet");
  const text = kind.endsWith("out") ? result.out : result.err;
  const good =
    kind === "exit" ? result.code === Number(wanted)
    : kind.startsWith("no-") ? !fits(text, wanted)
    : fits(text, wanted);
  if (!good)
    throw new Error(`wanted ${kind} ${wanted}, but \`${result.line}\` gave exit ${result.code}\n` +
      `--- out\n${result.out}--- err\n${result.err}`);
}

async function runCase(world, text, name) {
  let result = null;
  for (const [index, line] of text.split("\n").entries()) {
    const [, word, rest] = /^(\S*)\s*(.*)$/.exec(line);
    try {
      if (word === "" || word.startsWith("#")) continue;
      else if (word === "$") result = await runShell(world, rest);
      else if (word in does) await does[word](world, rest);
      else if (/^(exit|(no-)?(out|err))$/.test(word)) expect(result, word, rest);
      else throw new Error(`not understood: ${line}`);
    } catch (error) {
      console.error(`${name}:${index + 1}: ${error.message}\n--- the server's log\n${world.log}`);
      return false;
    }
  }
  return true;
}

const [cqed, path] = process.argv.slice(2).map((p) => resolve(p));
const world = new World(cqed);
let good = false;

function giveUp(why) {
  console.error(`${path}: ${why}\n--- the server's log\n${world.log}`);
  world.server?.kill("SIGKILL");
  process.exit(1);
}
setTimeout(() => giveUp(`not over after ${CASE_LIMIT_MS / 1000} s`), CASE_LIMIT_MS).unref();
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => giveUp(`ended by ${signal}`));

try {
  await world.open(join(here, "config"));
  good = await runCase(world, await readFile(path, "utf8"), path);
} finally {
  await world.close();
}
process.exitCode = good ? 0 : 1;
