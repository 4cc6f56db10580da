import type { Mechanism } from './mechanism.ts';

export const virtualIpi: Mechanism = {
  name: 'ipi',
  summary: 'virtual IPIs: L0 looks the destination up in a table of the guest hypervisor and posts the vector',
  source: 'DVH (ASPLOS 2020), virtual IPIs',
  kinds: ['ipi'],
  posts: ['ipi'],
  guestHypervisor: 'builds and maintains the table from APIC id to posted-interrupt descriptor, one entry per vCPU.',
  migration: 'The table is rebuilt by the guest hypervisor at the destination.',
};
