import type { Mechanism } from './mechanism.ts';

export const virtualTimer: Mechanism = {
  name: 'timer',
  summary: 'virtual timers: L0 arms a second timer per vCPU for the nested VM and posts its expiry',
  source: 'DVH (ASPLOS 2020), virtual timers',
  kinds: ['timer'],
  posts: ['timer'],
  guestHypervisor:
    'discovers the capability and sets an enable bit in its VMCS controls; L0 adds the TSC offsets of all levels.',
  migration: 'The virtual timer must be saved and restored (an extra MSR beside the nested VMX state).',
};
