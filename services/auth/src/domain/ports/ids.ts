/** A UUID in its canonical lower-case form. Ids are UUIDv7 (RFC 9562), so they sort by creation. */
export type Uuid = string;

/** Makes IDs. Injected, so that tests can predict them. */
export type NewId = () => Uuid;
