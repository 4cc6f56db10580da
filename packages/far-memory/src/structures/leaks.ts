import type { Watch } from './memory.ts';

/** A structure that was collected without `drop()`: its objects are still there and nothing can free them any more. */
export interface Leak {
  readonly name: string;
}

export interface LeakReporter {
  watch(structure: object, name: string): Watch;
  found(): readonly Leak[];
  /** With the far memory everything is gone: nothing leaks any more. */
  end(): void;
}

/** Finalizers run late or never, so they only report (A2.5b, 5). */
export function createLeakReporter(report: (leak: Leak) => void): LeakReporter {
  const leaks: Leak[] = [];
  let hasEnded = false;
  const registry = new FinalizationRegistry((name: string) => {
    if (hasEnded) return;
    leaks.push({ name });
    report({ name });
  });
  return {
    watch(structure, name) {
      const token = {};
      registry.register(structure, name, token);
      return { dropped: () => void registry.unregister(token) };
    },
    found: () => leaks,
    end() {
      hasEnded = true;
    },
  };
}
