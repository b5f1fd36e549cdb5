/** Node's compile cache for the processes that tests start; it halves the time that a server or a command needs to load. */
const compileCache = `${import.meta.dirname}/../../../node_modules/.cache/node-compile`;

/**
 * The environment of a process that a test starts: what every one needs, and what the test adds. Nothing else of the
 * test's own environment, since a POSTERN_* variable of the developer's shell must not change a test.
 */
export function childEnv(env: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const all = { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compileCache, ...env };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}
