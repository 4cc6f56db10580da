import { FarAgentError, FarMemoryError, FarOperatorError, FarQuotaError } from '../errors.ts';
import { readBody } from '../protocol/bytes.ts';
import { errorCode, status } from '../protocol/frames.ts';

/** An agent does not have an object of a call. */
export class ObjectAbsentError extends FarMemoryError {
  readonly id: number;
  constructor(id: number, message: string) {
    super('FAR_OBJECT_ABSENT', message);
    this.id = id;
  }
}

/** The typed error of an error answer. */
export function errorOfAnswer(agent: string, code: number, detail: number, message: string): FarMemoryError {
  const sentence = `agent ${agent}: ${message}`;
  if (code === errorCode.absent) return new ObjectAbsentError(detail, sentence);
  if (code === errorCode.overQuota || code === errorCode.agentFull) return new FarQuotaError(sentence);
  if (code === errorCode.operator || code === errorCode.internal) return new FarOperatorError(sentence);
  return new FarAgentError(code === errorCode.refused ? 'FAR_AGENT_REFUSED' : 'FAR_AGENT_PROTOCOL', agent, sentence);
}

/** Why an object of a multi-put was not taken; undefined when it was. */
export function refusalOf(agent: string, code: number | undefined): FarMemoryError | undefined {
  if (code === undefined) return undefined;
  return new FarQuotaError(
    code === status.overQuota
      ? `agent ${agent}: the quota of this client is used up; free objects, add agents, or start the agent with a larger --quota`
      : `agent ${agent}: its memory is used up; free objects, add agents, or start the agent with more --memory`,
  );
}

/** An answer that is an error: what it means here, and in the agent's words. */
export function readErrorAnswer(
  agent: string,
  body: Uint8Array,
): { readonly error: FarMemoryError; readonly message: string } {
  const reader = readBody(body);
  const code = reader.u16();
  const detail = reader.f64();
  const message = reader.text(reader.remaining);
  return { error: errorOfAnswer(agent, code, detail, message), message };
}

/** Which objects of a multi-put were refused, and the reasons. @throws ProtocolError */
export function readRefusals(body: Uint8Array): ReadonlyMap<number, number> {
  const reader = readBody(body);
  const refusals = new Map<number, number>();
  for (let left = reader.u32(); left > 0; left--) refusals.set(reader.u32(), reader.u32());
  reader.end();
  return refusals;
}
