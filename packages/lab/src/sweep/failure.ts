import { type ErrorParts, StrataError } from '@strata/model/machine';

/** An error as it travels between threads. */
export interface PointFailure {
  readonly message: string;
  /** Present when it is an error that the user can mend. */
  readonly parts?: ErrorParts;
}

export function failureOf(error: unknown): PointFailure {
  if (!(error instanceof StrataError)) return { message: error instanceof Error ? error.message : String(error) };
  const { message, code, exitCode, what, where, expected, found, mend } = error;
  return {
    message,
    parts: {
      code,
      what,
      exitCode,
      ...(where === undefined ? {} : { where }),
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      ...(mend === undefined ? {} : { mend }),
    },
  };
}

/** @param place the point's coordinates, for the message */
export function errorOf({ message, parts }: PointFailure, place: string): Error {
  return parts === undefined
    ? new Error(`${message} (at ${place})`)
    : new StrataError({ ...parts, what: `${parts.what} (at the point ${place})` });
}
