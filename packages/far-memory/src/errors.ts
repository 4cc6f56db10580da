/** An error of the far-memory library: a stable code for programs, a sentence with the mend for people. */
export class FarMemoryError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** No holder of an object is left: its bytes are gone (one replica and its agent died, or the lease ran out). */
export class FarObjectLostError extends FarMemoryError {
  readonly id: number;
  readonly agent: string;
  constructor(id: number, agent: string, message: string) {
    super('FAR_OBJECT_LOST', message);
    this.id = id;
    this.agent = agent;
  }
}

/** Local memory is full inside a scope, or with `onFull: 'throw'`. Nothing was changed. */
export class FarMemoryFullError extends FarMemoryError {
  constructor(message: string, options?: ErrorOptions) {
    super('FAR_MEMORY_FULL', message, options);
  }
}

/** An agent did not answer, closed the connection, or answered with something that is not the protocol. */
export class FarAgentError extends FarMemoryError {
  readonly agent: string;
  constructor(
    code: 'FAR_AGENT_TIMEOUT' | 'FAR_AGENT_CLOSED' | 'FAR_AGENT_PROTOCOL' | 'FAR_AGENT_REFUSED',
    agent: string,
    message: string,
  ) {
    super(code, message);
    this.agent = agent;
  }
}

/** The agents' quota for this client is used up. */
export class FarQuotaError extends FarMemoryError {
  constructor(message: string) {
    super('FAR_QUOTA', message);
  }
}

/** An operator is unknown to the agent, or was called with arguments that it refuses. */
export class FarOperatorError extends FarMemoryError {
  constructor(message: string) {
    super('FAR_OPERATOR', message);
  }
}

/** A call that the library's contract forbids: a view used after its scope, an index out of range, a layout that does not fit. */
export class FarUsageError extends FarMemoryError {
  constructor(message: string) {
    super('FAR_USAGE', message);
  }
}
