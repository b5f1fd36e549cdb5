import type { Limit, LoginLimits } from "../../domain/login/login-limits.ts";
import { SettingError } from "../error.ts";
import { parseSpan } from "./span.ts";
import { parseInteger } from "./text.ts";

/** The limits of names that are left out. */
export const defaultLoginLimits = "account=10/10m,account_all=100/1h,address=100/10m,total=1000/1m";

const names = ["account", "account_all", "address", "total"] as const;
type Name = (typeof names)[number];

const parseCount = parseInteger(1, 1_000_000);
const parseWindow = parseSpan("1s", "24h");

/** Comma-separated `name=count/span` or `name=off`; a name left out keeps its default. */
export function parseLoginLimits(text: string): LoginLimits {
  const limits = new Map([...readEntries(defaultLoginLimits), ...readEntries(text)]);
  return {
    account: limits.get("account"),
    accountAll: limits.get("account_all"),
    address: limits.get("address"),
    total: limits.get("total"),
  };
}

function readEntries(text: string): Map<Name, Limit | undefined> {
  const limits = new Map<Name, Limit | undefined>();
  text.split(",").forEach((entry, index) => {
    const name = names.find((candidate) => entry.startsWith(`${candidate}=`));
    if (name === undefined) {
      throw new SettingError(
        `entry ${index + 1} does not begin with ${names.join(", ")}; write entries such as \`account=10/10m\` or \`account=off\`, comma-separated`,
      );
    }
    if (limits.has(name)) throw new SettingError(`names ${name} twice; leave one out`);
    limits.set(name, parseLimit(name, entry.slice(name.length + 1)));
  });
  return limits;
}

function parseLimit(name: Name, text: string): Limit | undefined {
  if (text === "off") return undefined;
  const [, count = "", span = ""] = /^([^/]*)\/(.*)$/s.exec(text) ?? [];
  try {
    return { count: parseCount(count), windowMs: parseWindow(span) };
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    throw new SettingError(`${name} is a count, a slash and a span, or \`off\`: ${error.message}`);
  }
}
