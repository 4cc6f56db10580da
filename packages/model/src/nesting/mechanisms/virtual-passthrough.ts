import type { Mechanism } from './mechanism.ts';

export const virtualPassthrough: Mechanism = {
  name: 'vp',
  summary: 'virtual-passthrough: the nested VM owns a virtual device of L0, its doorbell faults to L0',
  source: 'DVH (ASPLOS 2020), virtual-passthrough',
  kinds: ['devnotify'],
  posts: [],
  guestHypervisor:
    'assigns the device with ordinary VFIO and a vIOMMU supplied by its hypervisor; no change of code. It no longer sees packets: no filter, no quality of service, no block snapshot of its own.',
  migration:
    'Does not block live migration, the device is software. Migrating the nested VM alone needs a PCI capability through which L0 writes device state and a dirty-page log into buffers of the guest hypervisor; source and destination need the same device type at L0.',
};
