import { group, integer, real, type Spec, type ValuesOf } from '../machine/fields.ts';

const artifact = 'HyperAlloc artifact; specification 3 and 5.2';

/** Knobs of the techniques, with the defaults of the publication. */
export const elasticityFields = {
  stepSeconds: real(1, 'time step of footprints', { unit: 's', min: 0.05, max: 3600 }),
  hyperalloc: group(
    { periodSeconds: real(5, 'time between two automatic reclamations', { unit: 's', min: 0.05, source: artifact }) },
    'HyperAlloc',
  ),
  reporting: group(
    {
      order: integer(9, 'smallest block that the guest reports, as a power of two of 4 KiB', {
        max: 10,
        source: artifact,
      }),
      delaySeconds: real(2, 'time between two passes', { unit: 's', min: 0.01, source: artifact }),
      capacity: integer(32, 'blocks per report', { min: 1, max: 4096, source: artifact }),
    },
    'free page reporting',
  ),
  hinting: group(
    { periodSeconds: real(300, 'time between two drains by hinting', { unit: 's', min: 1, source: 'assumed' }) },
    'free page hinting',
  ),
  policy: group(
    {
      periodSeconds: real(1.7, 'time between two decisions', { unit: 's', min: 0.05, source: artifact }),
      freeShare: real(0.9, 'share of the free memory that the policy counts on', { min: 0, max: 1, source: artifact }),
      stepShare: real(1 / 16, 'step as a share of the largest size', { min: 0.001, max: 0.5, source: artifact }),
      minShare: real(1 / 8, 'smallest size as a share of the largest', { min: 0.001, max: 1, source: artifact }),
    },
    'the policy outside the VM that drives virtio-mem and balloons',
  ),
} satisfies Spec;

export type ElasticityConfig = ValuesOf<typeof elasticityFields>;
