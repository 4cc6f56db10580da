import { StrataError } from '../../machine/errors.ts';

export const configurations = ['base', 'passthrough', 'dvh-vp', 'dvh'] as const;
export type Configuration = (typeof configurations)[number];

/** One level of a set-up as the artifact asks for it. */
export interface LevelPlan {
  /** 0 is the host. */
  readonly level: number;
  readonly kernel: 'base' | 'dvh-L0' | 'dvh-basic' | 'dvh-full';
  readonly kernelBranch: string;
  readonly parameters: readonly string[];
  /** QEMU that this level runs its guest with; absent at the innermost level. */
  readonly qemu?: 'base' | 'dvh';
  /** Absent at the host, which has what the machine has. */
  readonly vcpus?: number;
  readonly memoryGB?: number;
}

export interface SetUp {
  /** The artifact's label, such as `L2-3`. */
  readonly id: string;
  readonly level: number;
  readonly configuration: Configuration;
  readonly levels: readonly LevelPlan[];
  readonly notes: readonly string[];
}

export const deepestSetUp = 3;
const reservedCpus = 2;
const innermostVcpus = 4;

const kernelBranches = {
  base: 'v4.18-base',
  'dvh-L0': 'v4.18-dvh-L0-asplos',
  'dvh-basic': 'v4.18-dvh-basic-asplos',
  'dvh-full': 'v4.18-dvh-full-asplos',
} as const;

/** The configurations that exist where `level` is measured (specification section 1.1). */
export function configurationsAt(level: number): readonly Configuration[] {
  if (level === 0) return ['base'];
  return level === 1 ? ['base', 'passthrough'] : configurations;
}

/** The eleven server set-ups of the artifact, in its order. */
export function allSetUps(): SetUp[] {
  const levels = Array.from({ length: deepestSetUp + 1 }, (_, level) => level);
  return levels.flatMap((level) => configurationsAt(level).map((configuration) => planSetUp(level, configuration)));
}

/**
 * @param level 0 (native) to 3
 * @throws StrataError `nest.no-such-set-up`
 */
export function planSetUp(level: number, configuration: Configuration): SetUp {
  const known = level >= 0 && level <= deepestSetUp && Number.isInteger(level) ? configurationsAt(level) : undefined;
  if (known === undefined || !known.includes(configuration))
    throw new StrataError({
      code: 'nest.no-such-set-up',
      what: 'the experiment has no such set-up',
      expected: known === undefined ? `a level from 0 to ${deepestSetUp}` : `${known.join(', ')} at level ${level}`,
      found: known === undefined ? `level ${level}` : configuration,
      mend: 'The configurations dvh-vp and dvh need a nested VM: level 2 or 3.',
    });
  return {
    id: `L${level}-${known.indexOf(configuration) + 1}`,
    level,
    configuration,
    levels: Array.from({ length: level + 1 }, (_, at) => levelPlan(level, at, configuration)),
    notes: notesOf(level, configuration),
  };
}

function levelPlan(level: number, at: number, configuration: Configuration): LevelPlan {
  const kernel = kernelOf(level, at, configuration);
  const cpus = innermostVcpus + reservedCpus * (level - at);
  return {
    level: at,
    kernel,
    kernelBranch: kernelBranches[kernel],
    parameters: parametersOf(level, at, configuration, cpus),
    ...(at < level && { qemu: configuration === 'dvh' && at <= level - 2 ? ('dvh' as const) : ('base' as const) }),
    ...(at > 0 && { vcpus: cpus, memoryGB: memoryOf(cpus) }),
  };
}

/** Each hypervisor keeps 2 CPUs and 12 GB: the VM with `vcpus` has 6 GB for each, less 12. */
export function memoryOf(vcpus: number): number {
  return 6 * vcpus - 12;
}

function kernelOf(level: number, at: number, configuration: Configuration): LevelPlan['kernel'] {
  if (configuration !== 'dvh' || at === level) return 'base';
  if (at === 0) return 'dvh-L0';
  return at === level - 1 ? 'dvh-basic' : 'dvh-full';
}

function parametersOf(level: number, at: number, configuration: Configuration, cpus: number): string[] {
  const parameters: string[] = [];
  if (at === 0) parameters.push(`maxcpus=${cpus}`);
  if (at <= level - 2) parameters.push(at === 0 ? 'kvm-intel.nested=1' : 'nested=1');
  // A hypervisor needs its IOMMU on where it assigns a device: a physical one from L0 on, a virtual one from L1 on.
  const assigns = at < level && (configuration === 'passthrough' || (configuration !== 'base' && at > 0));
  if (assigns) parameters.push('intel_iommu=on');
  return parameters;
}

function notesOf(level: number, configuration: Configuration): string[] {
  const notes = ['swapoff -a on all levels; vCPU i is pinned to CPU (cores - vCPUs + i) of the level below.'];
  if (level > 0) notes.push('QEMU: q35, accel=kvm, -cpu host, virtio-blk raw cache=none.');
  if (configuration === 'base' && level > 0) notes.push('I/O: virtio-net with vhost=on at each level.');
  if (configuration === 'passthrough')
    notes.push(
      'I/O: two virtual functions of the NIC; vIOMMU with intremap=on,caching-mode=on; kernel-irqchip=split; no ordinary virtio-net in the innermost VM.',
    );
  if (configuration === 'dvh-vp' || configuration === 'dvh')
    notes.push(
      `I/O: a second virtio-net behind its own root port (iommu_platform=on, disable-legacy=on, ats=on), vIOMMU with intremap=on,device-iotlb=on${configuration === 'dvh' ? ',intpost=on' : ''}; no ordinary virtio-net in the innermost VM.`,
    );
  if (configuration === 'dvh')
    notes.push(
      'Before each level starts its guest: virtual_ipi, virtual_timer, virtual_idle and fs_base under /sys/kernel/debug/dvh to y; virtual_idle never at L0.',
    );
  notes.push('The description speaks of typically 50 iterations, the scripts do 40 (10 for mysql and hackbench).');
  return notes;
}
