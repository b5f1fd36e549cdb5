import type { DescMessage, Message } from "@bufbuild/protobuf";
import { createValidator, type Violation, violationsToProto } from "@bufbuild/protovalidate";
import { AuthError } from "../domain/errors.ts";

/** A message that breaks the rules of its proto file. */
export class ViolationError extends AuthError {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[]) {
    super("INVALID_REQUEST", { message: violations.map(describe).join("; ") });
    this.violations = violations;
  }

  /** The detail that protovalidate's clients read. */
  toDetail() {
    return violationsToProto([...this.violations]);
  }
}

/** @throws {AuthError} `INVALID_REQUEST`: says which fields are wrong and what they must be, never what they were */
export type Validate = (schema: DescMessage, message: Message) => void;

export function createValidate(): Validate {
  const validator = createValidator();
  return (schema, message) => {
    if (hasNul(message)) {
      throw new AuthError("INVALID_REQUEST", { message: "text must not contain the character U+0000" });
    }
    const result = validator.validate(schema, message);
    if (result.kind === "error") throw result.error;
    if (result.kind === "invalid") throw new ViolationError(result.violations);
  };
}

/** Postgres stores no text with U+0000, and would report it as an error of the statement. */
function hasNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  return Object.values(value).some(hasNul);
}

function describe({ field, message }: Violation): string {
  const path = field.map((part) => ("name" in part ? String(part.name) : "")).filter(Boolean);
  return `\`${path.join(".") || "message"}\` ${message}`;
}
