import { createObjectLog, type ObjectLog } from './object-log.ts';
import type { SegmentPool } from './segments.ts';

/** One client as the agent knows it: by the id it chose, across its connections. */
export interface Client {
  readonly id: string;
  readonly log: ObjectLog;
  connections: number;
}

/** All clients, and the leases of those without a connection. */
export interface ClientTable {
  readonly clients: Iterable<Client>;
  /** Clients whose lease ran out, since the start. */
  readonly expired: number;
  /** A connection of this client is open now. Its quota may be raised or lowered by each. */
  attach(id: string, wantedQuotaBytes: number): { readonly client: Client; readonly found: boolean };
  /** A connection is gone; the lease starts with the last one. */
  detach(client: Client): void;
  close(): void;
}

export interface ClientTableOptions {
  /** Greatest quota of one client, bytes. */
  readonly quotaBytes: number;
  readonly leaseSeconds: number;
}

export function createClientTable(pool: SegmentPool, { quotaBytes, leaseSeconds }: ClientTableOptions): ClientTable {
  const clients = new Map<string, Client>();
  const leases = new Map<string, NodeJS.Timeout>();
  let expired = 0;

  /** Other clients' dead records hold memory that this one needs. */
  function reclaimFromAny(): boolean {
    for (const { log } of clients.values()) if (log.clean()) return true;
    return false;
  }

  function forget(client: Client): void {
    client.log.close();
    clients.delete(client.id);
    leases.delete(client.id);
    expired++;
  }

  return {
    get clients() {
      return clients.values();
    },
    get expired() {
      return expired;
    },
    attach(id, wantedQuotaBytes) {
      clearTimeout(leases.get(id));
      leases.delete(id);
      const known = clients.get(id);
      const client = known ?? { id, log: createObjectLog(pool, quotaBytes, reclaimFromAny), connections: 0 };
      if (wantedQuotaBytes > 0) client.log.quotaBytes = Math.min(quotaBytes, wantedQuotaBytes);
      client.connections++;
      clients.set(id, client);
      return { client, found: known !== undefined };
    },
    detach(client) {
      client.connections--;
      if (client.connections > 0) return;
      // Nothing to keep: no lease needed.
      if (client.log.objects === 0) {
        client.log.close();
        clients.delete(client.id);
        return;
      }
      const timer = setTimeout(() => forget(client), leaseSeconds * 1000);
      timer.unref();
      leases.set(client.id, timer);
    },
    close() {
      for (const timer of leases.values()) clearTimeout(timer);
      for (const client of clients.values()) client.log.close();
      clients.clear();
    },
  };
}
