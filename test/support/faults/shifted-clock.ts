// Loaded into a server before its own code: its clock is ahead by so many milliseconds, or behind.
const RealDate = Date;
const offsetMs = Number(process.env["TEST_CLOCK_OFFSET_MS"]);
if (!Number.isSafeInteger(offsetMs))
  throw new RangeError("TEST_CLOCK_OFFSET_MS is no number of milliseconds");

globalThis.Date = new Proxy(RealDate, {
  get: (target, name, self) => (name === "now" ? now : Reflect.get(target, name, self)),
  construct: (target, args, self) => Reflect.construct(target, args.length === 0 ? [now()] : args, self),
  apply: () => new RealDate(now()).toString(),
});

function now(): number {
  return RealDate.now() + offsetMs;
}
