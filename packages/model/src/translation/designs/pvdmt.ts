import { integer } from '../../machine/fields.ts';
import { defineDesign } from '../design.ts';
import { createDmt, dmtAssumptions, dmtCounters, dmtSpec } from './dmt.ts';
import { createGteaTable } from './gtea.ts';

/**
 * DMT with the guest's help: a guest gets its areas by hypercall, contiguous in host memory (gTEAs), so the hardware finds the guest's
 * entries without translating their addresses: as many references as dimensions. The hypervisor's table of areas keeps guests out of each
 * other's memory. Where the host has no contiguous memory left, the guest makes the area itself, as with DMT. What is assumed: `assumptions`.
 */
export const pvdmt = defineDesign({
  name: 'pvdmt',
  summary: 'DMT whose guest areas come from the host by hypercall: as many references as dimensions',
  source: 'DMT, ASPLOS 2024, abstract; DMT artifact, arch/x86/kvm/x86.c',
  setups: ['native', 'virtualized', 'nested'],
  assumptions: [
    ...dmtAssumptions,
    'gTEAs are not limited to the 16 memory slots of the whole host that the prototype has. One that is extended moves, as more of it is another slot.',
    'The check that an area is the guest’s own, which the prototype lacks, is made on every use of a gTEA. In nested VMs each hypervisor passes the request down.',
  ],
  spec: {
    ...dmtSpec,
    hypercallCycles: integer(2500, 'cost of one hypercall, per hypervisor that it passes', {
      unit: 'cycles',
      source: 'assumed: an exit and entry of 1,000 to 2,000 cycles, and the work behind it',
    }),
    isolationCycles: integer(0, 'cost of the check that an area is the guest’s own', {
      unit: 'cycles',
      source: 'assumed: compared beside the address calculation; the artifact has no check',
    }),
  },
  counters: {
    ...dmtCounters,
    hypercalls: 'hypercalls for gTEAs, those that failed included, times the hypervisors passed',
  },
  keepsGuestTables: true,
  create(spec, resources) {
    const { count, contiguous, releaseContiguous, spaces } = resources;
    const gteas = resources.shared(spaces.at(-1)!.frames, createGteaTable);
    const instance = createDmt(spec, resources, gteas, {
      isolationCycles: spec.isolationCycles,
      memoryFor(dimension, plain, table) {
        const hypervisors = spaces.length - 1 - dimension;
        return {
          allocate(length) {
            count.hypercalls += hypervisors;
            const range = contiguous(dimension, length);
            return range === undefined
              ? plain.allocate(length)
              : { ...range, id: table.grant(dimension, range.hostFrame, length) };
          },
          // A gTEA is a memory slot of its own: more of it is another slot.
          extend: (at, length, more) => at.id === undefined && plain.extend(at, length, more),
          release(at, length) {
            if (at.id === undefined || at.hostFrame < 0) return plain.release(at, length);
            count.hypercalls += hypervisors;
            table.revoke(at.id);
            releaseContiguous(dimension, { frame: at.frame, hostFrame: at.hostFrame }, length);
          },
        };
      },
    });
    return {
      ...instance,
      maintenanceCycles: () => instance.maintenanceCycles!() + count.hypercalls * spec.hypercallCycles,
    };
  },
});
