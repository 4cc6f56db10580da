import { FarAgentError, FarMemoryError, FarOperatorError, FarQuotaError } from '../errors.ts';
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
