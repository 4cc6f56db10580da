import type { Mechanism } from './mechanism.ts';

export const postedInterrupts: Mechanism = {
  name: 'posted',
  summary: 'vIOMMU posted interrupts: a device interrupt reaches the running nested VM without an exit',
  source: 'DVH (ASPLOS 2020); Intel VT-d specification, section 5.2.3',
  kinds: ['interrupt'],
  posts: ['device'],
  guestHypervisor: 'programs the remapping entries of its vIOMMU in posted format.',
  migration:
    'Posted descriptors lie in guest memory and travel with it; the remapping entries are state of the vIOMMU.',
};
