/** The caller of a change, for the audit. */
export interface Actor {
  readonly caller: string;
  readonly requestId: string;
}

/** Postern itself, for background work. */
export const ownActor: Actor = { caller: "postern", requestId: "" };
