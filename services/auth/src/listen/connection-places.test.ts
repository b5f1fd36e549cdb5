import { Socket } from "node:net";
import { expect, test } from "vitest";
import { type ConnectionPlaces, createConnectionPlaces } from "./connection-places.ts";

const trusted = new WeakSet<object>();

function createPlaces(max: number): ConnectionPlaces {
  return createConnectionPlaces(max, (trustee) => trusted.has(trustee));
}

/** A connection whose client never closes its side. */
class Connection {
  readonly socket = new Socket().on("error", () => {});
  readonly trustee = {};
  ended = 0;

  end(): void {
    this.ended += 1;
  }
}

function connect(places: ConnectionPlaces) {
  const connection = new Connection();
  return Object.assign(connection, { hasPlace: places.take(connection) });
}

function connectMany(places: ConnectionPlaces, count: number) {
  return Array.from({ length: count }, () => connect(places));
}

const ended = (all: readonly { ended: number }[]) => all.map((connection) => connection.ended);

test("a new connection takes the place of the one that was opened first, where none was used", () => {
  const places = createPlaces(3);
  const held = connectMany(places, 3);
  const fresh = connectMany(places, 2);
  expect(ended([...held, ...fresh])).toEqual([1, 1, 0, 0, 0]);
  expect(places.count).toMatchObject({ open: 3, max: 3, refused: 2 });
});

test("a connection that was used stays longer than those that were not used since", () => {
  const places = createPlaces(3);
  const held = connectMany(places, 3);
  for (const connection of held.slice(0, 1)) places.use(connection);
  connectMany(places, 2);
  expect(ended(held)).toEqual([0, 1, 1]);
});

test("a connection with an accepted credential is never ended, however many new ones come", () => {
  const places = createPlaces(3);
  const known = connect(places);
  trusted.add(known.trustee);
  connectMany(places, 1_000);
  expect(known.ended).toBe(0);
  expect(places.count).toMatchObject({ open: 3, refused: 998 });
});

test("a new connection gets no place where a credential was accepted on all others", () => {
  const places = createPlaces(2);
  const known = connectMany(places, 2);
  for (const { trustee } of known) trusted.add(trustee);
  const late = connect(places);
  expect(late.hasPlace).toBe(false);
  expect(ended([...known, late])).toEqual([0, 0, 0]);
  expect(places.count).toMatchObject({ open: 2, refused: 1 });
});

test("a connection that loses its place is not ended again when it is used or closes", () => {
  const places = createPlaces(1);
  const first = connect(places);
  connect(places);
  places.use(first);
  first.socket.emit("close");
  connect(places);
  expect(first.ended).toBe(1);
  expect(places.count.open).toBe(1);
});

test("a connection that closes gives its place back", () => {
  const places = createPlaces(1);
  connect(places).socket.emit("close");
  expect(places.count.open).toBe(0);
  const next = connect(places);
  expect(next.hasPlace).toBe(true);
  expect(places.count).toMatchObject({ open: 1, refused: 0 });
});

test("no more than 15 connections without a place stay open: the one that lost its place first is reset", () => {
  const places = createPlaces(1);
  const all = connectMany(places, 16);
  expect(all.filter(({ socket }) => socket.destroyed)).toEqual([]);
  connect(places);
  expect(all.map(({ socket }) => socket.destroyed)).toEqual([true, ...Array(15).fill(false)]);
  all[1]?.socket.emit("close");
  connect(places);
  expect(all.filter(({ socket }) => socket.destroyed)).toHaveLength(1);
});
