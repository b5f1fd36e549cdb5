/** Guards for servers of Connect, and credentials for its clients. */

export { authenticated } from "./authenticated.ts";
export { bearer } from "./bearer.ts";
export { callerKey, callerOf, optionalAuth, type RequestGate, requireAuth, requireScope } from "./guards.ts";
