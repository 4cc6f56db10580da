/**
 * HyperAlloc's protocol for one 2 MiB frame (specification 2.1, 2.3), one atomic step at a time, so that every interleaving of guest and host can be
 * explored. Three maps are kept apart: the guest's allocator, the host's memory, the IOMMU of a passed-through device.
 */
export interface ProtocolState {
  /** Who holds the frame in the guest's allocator: nobody (-1), a vCPU, or the host after a hard reclaim (-2). */
  readonly holder: number;
  /** The bit that tells the guest to ask before it uses the frame. */
  readonly evicted: boolean;
  /** The host's own view: 0 installed, 1 soft, 2 hard reclaimed. */
  readonly reclaimed: 0 | 1 | 2;
  readonly present: boolean;
  readonly inIommu: boolean;
  /** Per vCPU: what it does next. */
  readonly cpus: readonly ('idle' | 'ask' | 'wait' | 'use')[];
  /** What the host is doing under its lock; `free` when nothing. */
  readonly host: HostStep;
}

type HostStep =
  | 'free'
  | `install:${number}:${'populate' | 'map' | 'answer'}`
  | `${'soft' | 'hard'}:${'unmap' | 'discard'}`;

export interface ProtocolOptions {
  readonly cpus: number;
  /** The order of hyperalloc-qemu: memory is discarded before the IOMMU forgets it. For tests of the check itself. */
  readonly discardsFirst?: boolean;
}

const nobody = -1;
const theHost = -2;

export function protocolStart({ cpus }: ProtocolOptions): ProtocolState {
  return {
    holder: nobody,
    evicted: false,
    reclaimed: 0,
    present: true,
    inIommu: true,
    cpus: Array.from({ length: cpus }, () => 'idle' as const),
    host: 'free',
  };
}

/** Every state that one step of one actor leads to. */
export function protocolSteps(state: ProtocolState, options: ProtocolOptions): ProtocolState[] {
  return [...state.cpus.flatMap((_, cpu) => guestSteps(state, cpu)), ...hostSteps(state, options)];
}

function guestSteps(state: ProtocolState, cpu: number): ProtocolState[] {
  const doing = (next: ProtocolState['cpus'][number]) => state.cpus.map((before, at) => (at === cpu ? next : before));
  switch (state.cpus[cpu]) {
    case 'idle':
      if (state.holder !== nobody) return [];
      return [{ ...state, holder: cpu, cpus: doing(state.evicted ? 'ask' : 'use') }];
    case 'ask':
      return [{ ...state, cpus: doing('wait') }];
    case 'use':
      return [{ ...state, holder: nobody, cpus: doing('idle') }];
    default:
      return [];
  }
}

function hostSteps(state: ProtocolState, { discardsFirst = false }: ProtocolOptions): ProtocolState[] {
  if (state.host === 'free') return hostBegins(state, discardsFirst);
  const [what, part, step] = state.host.split(':');
  if (what === 'install') return installStep(state, Number(part), step);
  const isLast = (part === 'discard') !== discardsFirst;
  const done = part === 'unmap' ? { ...state, inIommu: false } : { ...state, present: false };
  if (!isLast) return [{ ...done, host: `${what as 'soft' | 'hard'}:${discardsFirst ? 'unmap' : 'discard'}` }];
  return [{ ...done, reclaimed: what === 'hard' ? 2 : 1, host: 'free' }];
}

function installStep(state: ProtocolState, cpu: number, step: string | undefined): ProtocolState[] {
  if (step === 'populate') return [{ ...state, present: true, host: `install:${cpu}:map` }];
  if (step === 'map') return [{ ...state, inIommu: true, host: `install:${cpu}:answer` }];
  const cpus = state.cpus.map((before, at) => (at === cpu ? ('use' as const) : before));
  return [{ ...state, evicted: false, reclaimed: 0, cpus, host: 'free' }];
}

/** What the host may start under its lock. */
function hostBegins(state: ProtocolState, discardsFirst: boolean): ProtocolState[] {
  const first = discardsFirst ? 'discard' : 'unmap';
  const next: ProtocolState[] = [];
  state.cpus.forEach((doing, cpu) => {
    if (doing === 'wait') next.push({ ...state, host: `install:${cpu}:${state.evicted ? 'populate' : 'answer'}` });
  });
  if (state.holder === nobody && !state.evicted) next.push({ ...state, evicted: true, host: `soft:${first}` });
  if (state.holder === nobody)
    next.push(
      state.reclaimed === 0
        ? { ...state, holder: theHost, evicted: true, host: `hard:${first}` }
        : { ...state, holder: theHost, reclaimed: 2 },
    );
  if (state.reclaimed === 2) next.push({ ...state, holder: nobody, reclaimed: 1 });
  return next;
}

/** What is wrong with a state, in words; empty when nothing is. */
export function protocolViolations(state: ProtocolState): string[] {
  const wrong: string[] = [];
  if (state.inIommu && !state.present) wrong.push('the IOMMU maps memory that the host does not have');
  const users = state.cpus.filter((doing) => doing === 'use').length;
  if (users > 1) wrong.push('two vCPUs use the frame');
  if (users > 0 && !(state.present && state.inIommu)) wrong.push('the guest uses a frame without memory');
  if (users > 0 && state.evicted) wrong.push('the guest uses an evicted frame');
  return wrong;
}

export interface Exploration {
  readonly states: number;
  /** States in which nobody can go on although a vCPU waits. */
  readonly stuck: number;
  readonly violations: readonly string[];
}

/** Every state that any interleaving reaches. */
export function exploreProtocol(options: ProtocolOptions): Exploration {
  const seen = new Set<string>();
  const violations = new Set<string>();
  const open = [protocolStart(options)];
  let stuck = 0;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = JSON.stringify(state);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const sentence of protocolViolations(state)) violations.add(sentence);
    const next = protocolSteps(state, options);
    if (next.length === 0) stuck++;
    open.push(...next);
  }
  return { states: seen.size, stuck, violations: [...violations] };
}
