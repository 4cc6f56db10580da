import { describe, expect, it } from 'vitest';
import { choice, flatten, group, integer, jsonSchemaOf, resolve } from './fields.ts';

const spec = {
  merge: choice(['upper', 'lower'], 'upper', 'which levels share a node'),
  tlb: group({ ways: integer(4, 'ways of a set', { min: 1, max: 16, unit: 'ways' }) }, 'the TLB'),
};

describe('fields', () => {
  it('fill in defaults, group by group', () => {
    expect(resolve(spec, { tlb: { ways: 8 } })).toEqual({ merge: 'upper', tlb: { ways: 8 } });
    expect(resolve(spec)).toEqual({ merge: 'upper', tlb: { ways: 4 } });
  });

  it('refuse an unknown key and offer the near one, with its path', () => {
    expect(() => resolve(spec, { tlb: { way: 8 } }, 'machine')).toThrow(
      /machine\.tlb: unknown key way\..*Did you mean ways\?/,
    );
  });

  it('say of an unknown key where there are none to offer', () => {
    expect(() => resolve({}, { ways: 8 }, 'scheme')).toThrow(/scheme: unknown key ways\..*It takes no keys\./);
  });

  it('refuse values of the wrong type, outside the range or outside the choices', () => {
    expect(() => resolve(spec, { tlb: { ways: '8' } })).toThrow(
      /tlb\.ways: wrong type; expected an integer, found "8"/,
    );
    expect(() => resolve(spec, { tlb: { ways: 17 } })).toThrow(/from 1 to 16, found 17/);
    expect(() => resolve(spec, { merge: 'middle' })).toThrow(/one of upper, lower/);
    expect(() => resolve(spec, [])).toThrow(/expected an object/);
  });

  it('yield JSON Schema and dotted paths from the same description', () => {
    expect(jsonSchemaOf(spec)).toMatchObject({
      additionalProperties: false,
      properties: {
        merge: { enum: ['upper', 'lower'] },
        tlb: { properties: { ways: { type: 'integer', minimum: 1, maximum: 16 } } },
      },
    });
    expect(flatten(spec).map(({ path }) => path)).toEqual(['merge', 'tlb.ways']);
  });
});
