/**
 * What a verifier costs, and how soon it knows: `node test/bench/verifier.ts [--json <file>]`. Tokens that it has seen
 * and tokens that it has not, beside jose and the bare signature; the time from a revocation until verifiers refuse, with
 * two of them and with a thousand; and a million living revocations. Takes four minutes or so, and needs Linux.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { migrate } from "../../services/auth/src/store/postgres/migrate.ts";
import { startPostgres } from "../support/postgres/postgres.ts";
import { describeMachine } from "./machine.ts";
import { measureMillion } from "./verifier/million.ts";
import { measurePropagation } from "./verifier/propagation.ts";
import { openSite } from "./verifier/site.ts";
import { textOf, type VerifierReport } from "./verifier/tables.ts";
import { measureVerifying } from "./verifier/verifying.ts";
import { measureWatchers } from "./verifier/watchers.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    revocations: { type: "string", default: "1000000" },
    propagations: { type: "string", default: "1000" },
    watchers: { type: "string", default: "1000" },
  },
});

function tell(line: string): void {
  process.stderr.write(`${String(Math.round(performance.now() / 1_000)).padStart(4)} s  ${line}\n`);
}

await using postgres = await startPostgres({ durable: true });
await migrate(postgres.url);
const machine = await describeMachine(postgres.url);
await using site = await openSite(postgres);
tell("tokens are verified");
const verifying = await measureVerifying(site);
tell("sessions are revoked, and two verifiers hear of it");
const propagation = await measurePropagation(site, Number(values.propagations));
tell(`the same with ${values.watchers} watchers`);
const watchers = await measureWatchers(site, Number(values.watchers));
tell(`${values.revocations} revocations are appended`);
const million = await measureMillion(site, Number(values.revocations));
tell("done");

const report: VerifierReport = { machine, verifying, propagation, watchers, million };
process.stdout.write(textOf(report));
if (values.json !== undefined) {
  // A hundred figures are enough for 200,000 pairs.
  await writeFile(values.json, `${JSON.stringify(report, shortened, 1)}\n`);
}

function shortened(name: string, value: unknown): unknown {
  if (name !== "tookMs" || !Array.isArray(value) || value.length <= 1_000) return value;
  const sorted = value.toSorted((a: number, b: number) => a - b);
  return Array.from(
    { length: 101 },
    (_, percent) => sorted[Math.round((percent / 100) * (sorted.length - 1))],
  );
}
