/** Who does it, for the audit. */
export interface Actor {
  readonly caller: string;
  readonly requestId: string;
}

/** Postern itself, where nobody has asked for it. */
export const ownActor: Actor = { caller: "postern", requestId: "" };
