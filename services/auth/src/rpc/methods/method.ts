import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Call } from "../../call/call.ts";

/** How the messages of a call are written. */
export type MessageFormat = "binary" | "json";

/** An RPC with one answer: request → input of the use case → response. */
export interface UnaryMethod<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  readonly desc: DescMethodUnary<I, O>;
  handle(call: Call, request: MessageShape<I>): MessageInitShape<O> | Promise<MessageInitShape<O>>;
}

/** An RPC with a stream of answers. */
export interface StreamMethod<
  I extends DescMessage = DescMessage,
  O extends DescMessage = DescMessage,
  U = unknown,
> {
  readonly desc: DescMethodServerStreaming<I, O>;
  handle(call: Call, request: MessageShape<I>): AsyncIterable<U>;
  /** Kept apart from `handle`, so that what many watchers get is encoded once for each format. */
  encode(update: U, format: MessageFormat): MessageInitShape<O>;
}

/** An RPC as the transports serve it. */
export type Method = UnaryMethod | StreamMethod;

/** `<service>/<method>`: the name of the operation, and the path of its URL without the leading slash. */
export function operationOf({
  parent,
  name,
}: {
  readonly parent: { readonly typeName: string };
  readonly name: string;
}) {
  return `${parent.typeName}/${name}`;
}

export function unary<I extends DescMessage, O extends DescMessage>(
  desc: DescMethodUnary<I, O>,
  handle: UnaryMethod<I, O>["handle"],
): Method {
  return { desc, handle } satisfies UnaryMethod<I, O> as unknown as Method;
}

export function stream<I extends DescMessage, O extends DescMessage, U>(
  desc: DescMethodServerStreaming<I, O>,
  handle: StreamMethod<I, O, U>["handle"],
  encode: StreamMethod<I, O, U>["encode"],
): Method {
  return { desc, handle, encode } satisfies StreamMethod<I, O, U> as unknown as Method;
}
