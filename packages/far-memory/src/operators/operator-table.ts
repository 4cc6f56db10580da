import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FarOperatorError, FarUsageError } from '../errors.ts';
import type { Operator } from './operator.ts';

/** Operators by name and version. */
export interface OperatorTable {
  readonly operators: readonly Operator[];
  /** @throws FarOperatorError for a name or version that is not there */
  get(name: string, version: number): Operator;
}

/** @throws FarUsageError for two operators of one name and version */
export function createOperatorTable(operators: readonly Operator[]): OperatorTable {
  const table = new Map<string, Operator>();
  for (const operator of operators) {
    const key = `${operator.name}@${operator.version}`;
    if (table.has(key)) throw new FarUsageError(`two operators are named ${key}; raise the version of one`);
    table.set(key, operator);
  }
  return {
    operators,
    get(name, version) {
      const found = table.get(`${name}@${version}`);
      if (found) return found;
      const versions = operators.filter((operator) => operator.name === name).map((operator) => operator.version);
      throw new FarOperatorError(
        versions.length > 0
          ? `operator ${name} is here in version ${versions.join(', ')}, not ${version}; load the same module on both sides`
          : `no operator ${name} here; known are ${operators.map((known) => known.name).join(', ') || 'none'}; start the agent with --operators FILE`,
      );
    },
  };
}

/**
 * Loads a module whose export `operators` is a list of operators. It runs with the rights of this process: only name files that you trust.
 * @throws FarUsageError
 */
export async function loadOperators(file: string): Promise<readonly Operator[]> {
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await import(pathToFileURL(resolve(file)).href);
  } catch (cause) {
    throw new FarUsageError(`${file} cannot be loaded: ${cause instanceof Error ? cause.message : cause}`);
  }
  const { operators } = module;
  if (!Array.isArray(operators) || !operators.every(isOperator))
    throw new FarUsageError(
      `${file}: expected an export \`operators\`, a list of {name, version, plan, start, combine}; found ${operators === undefined ? 'none' : 'something else'}`,
    );
  return operators;
}

function isOperator(value: unknown): value is Operator {
  if (typeof value !== 'object' || value === null) return false;
  const { name, version, plan, start, combine } = value as Partial<Record<keyof Operator, unknown>>;
  return (
    typeof name === 'string' &&
    Buffer.byteLength(name) <= 255 &&
    Number.isInteger(version) &&
    [plan, start, combine].every((step) => typeof step === 'function')
  );
}
