import type { Mechanism } from './mechanism.ts';

export const virtualIdle: Mechanism = {
  name: 'idle',
  summary: 'virtual idle: the guest hypervisor leaves HLT exiting off, so only L0 sees the nested VM sleep',
  source: 'DVH (ASPLOS 2020), virtual idle',
  kinds: ['hlt'],
  posts: [],
  guestHypervisor:
    'turns HLT exiting off while it has nothing else to run on that CPU; with other work it keeps trapping and schedules.',
  migration: 'No state of its own.',
};
