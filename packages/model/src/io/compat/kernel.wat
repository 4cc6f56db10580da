;; The engine of simulate.ts with its caches as tags in sets: what it does, event by event, for any configuration. `node scripts/wasm.mjs`
;; turns this text into kernel-wasm-code.ts (@inline); kernel.ts lays out the memory and reads the results; simulate.test.ts holds the two engines
;; and the nanosecond-stepping model equal.
;;
;; Memory grows with what is in flight and with the requesters seen, never with the length of the trace.
;;
;; Queue, 32 bytes:    0 nodes   4 length   8 time of the first   12 capacity   16 head (in order only)
;;   node, 8 bytes:    0 request   4 time
;; Request, 64 bytes:  0 IOVA i64   8 page i64   16 SID   20 DID   24 level   28 is a prefetch   32 latency
;;                     40 issued at f64   48 next access f64;   free ones are linked through byte 0
;; Cache, 128 bytes:   0 ways   4 bytes per row   8 rows, one of each set   12 tags (key i64, DID; 16 bytes)   16 what the policy keeps of a way,
;;                     8 bytes: last touch i64, count i64, next access f64; nothing of LRU by ages   28 domains seen   32 number of the cache
;;                     36 set bits   40 partition mask   44 policy: 0 LRU by ages, 1 LFU, 2 oracle, 3 LRU by touches   56 misses i64
;;                     64 conflicts i64   72 first DID   76 end of DIDs   80 touches i64   96 the age of the oldest, in each of sixteen bytes
;;   row:              0 ages of up to 16 ways, a byte each: 0 is the newest, 127 none   16 zero   20 ways used   24 accesses i64
;;                     32 signatures of the ways, 2 bytes each
;;   context cache:    12 slot + 1 by SID and partition   16 counts, a byte each   20 bytes of counts per set   24 the inverse of 12
;;                     72 partition bits
;; SID record:         0 following SID + 1   4 length   8 oldest   then per page of history 32 bytes: 0 IOVA   8 page   16 DID   20 level
;; Flow, 32 bytes:     0 first issue f64   8 last completion f64   16 translations f64
;;
;; Queues: 64 context, 96 page caches, 128 fill, 160 DevTLB. Caches: 256 DevTLB, 384 L2, 512 L3, 640 prefetch buffer, 768 context.
;; Counters i64 from 1024: issued, dropped, accesses, correct, incorrect, made, new map, same SID, different SID, fill, fill same,
;; buffer hit, history hit, SIDs.
;; What is laid out once and never changes is read as a constant of the module (kernel-layout.ts):
;; @constant 0 4 8 12 16 20 24 28 32 36 40 44 72 76 of 256 384 512 640 768
;; @constant interval queueEntries inOrder depth distance flows sidRecords recent
;; @constant sids dids levels iovaLo iovaHi maskLo maskHi nextAccess
(module
  ;; Lets the host, which knows the iteration order of hash tables, choose the victim of a full set (way -1) and note the entry that comes.
  (import "io" "place" (func $place
    (param $cache i32) (param $set i32) (param $way i32) (param $hashHi i32) (param $hashLo i32) (result i32)))
  (memory (export "memory") 1 65536)
  ;; Which of sixteen bytes is a way's.
  (data (i32.const 1152)
    "\ff\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\ff\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\ff\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\ff\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\ff\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\ff\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\ff\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\ff\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\ff\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\ff\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\ff\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\ff\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\ff\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\ff\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\ff\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\ff")

  (global $top (mut i32) (i32.const 1424))
  (global $freeRequest (mut i32) (i32.const 0))

  (global $interval (export "interval") (mut i32) (i32.const 61))
  (global $queueEntries (export "queueEntries") (mut i32) (i32.const 1))
  (global $inOrder (export "inOrder") (mut i32) (i32.const 0))
  (global $depth (export "depth") (mut i32) (i32.const 1))
  (global $distance (export "distance") (mut i32) (i32.const 1))
  (global $flows (export "flows") (mut i32) (i32.const 0))
  (global $sidRecords (export "sidRecords") (mut i32) (i32.const 0))
  (global $recent (export "recent") (mut i32) (i32.const 0))
  ;; The records to come, a column each.
  (global $sids (export "sids") (mut i32) (i32.const 0))
  (global $dids (export "dids") (mut i32) (i32.const 0))
  (global $levels (export "levels") (mut i32) (i32.const 0))
  (global $iovaLo (export "iovaLo") (mut i32) (i32.const 0))
  (global $iovaHi (export "iovaHi") (mut i32) (i32.const 0))
  (global $maskLo (export "maskLo") (mut i32) (i32.const 0))
  (global $maskHi (export "maskHi") (mut i32) (i32.const 0))
  (global $nextAccess (export "nextAccess") (mut i32) (i32.const 0))
  (global $position (export "position") (mut i32) (i32.const 0))
  (global $length (export "length") (mut i32) (i32.const 0))

  ;; Times are nanoseconds since the epoch, which moves before they run out of 31 bits.
  (global $epoch (export "epoch") (mut f64) (f64.const 0))
  (global $now (export "now") (mut i32) (i32.const 0))
  (global $nextSlot (mut i32) (i32.const 0))
  (global $inFlight (mut i32) (i32.const 0))

  (global $previous (mut i32) (i32.const -1))
  (global $predicted (mut i32) (i32.const -1))
  (global $recentStart (mut i32) (i32.const 0))
  (global $recentLength (mut i32) (i32.const 0))

  ;; Zeroed bytes from an address that 64 divides.
  (func $alloc (export "alloc") (param $bytes i32) (result i32)
    (local $at i32) (local $missing i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 63)) (i32.const -64)))
    (global.set $top (i32.add (local.get $at) (local.get $bytes)))
    (local.set $missing (i32.sub
      (i32.shr_u (i32.add (global.get $top) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0)) (then
      (if (i32.eq (memory.grow (i32.add (local.get $missing) (i32.const 15))) (i32.const -1)) (then
        (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then (unreachable)))))))
    (local.get $at))

  (func $count (param $counter i32)
    (i64.store (local.get $counter) (i64.add (i64.load (local.get $counter)) (i64.const 1))))

  ;; --- queues

  ;; Room for the children of the last node, of a time that never comes.
  (func $newNodes (export "newNodes") (param $capacity i32) (result i32)
    (local $nodes i32) (local $at i32) (local $end i32)
    (local.set $nodes (call $alloc (i32.shl (i32.add (local.get $capacity) (i32.const 1)) (i32.const 4))))
    (local.set $at (local.get $nodes))
    (local.set $end (i32.add (local.get $nodes) (i32.shl (i32.add (local.get $capacity) (i32.const 1)) (i32.const 4))))
    (loop $next
      (i64.store (local.get $at) (i64.const 0x7fffffff00000000))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $nodes))

  (func $growQueue (param $queue i32)
    (local $nodes i32) (local $bytes i32) (local $head i32) (local $larger i32)
    (local.set $nodes (i32.load (local.get $queue)))
    (local.set $bytes (i32.shl (i32.load offset=12 (local.get $queue)) (i32.const 3)))
    (local.set $head (i32.shl (i32.load offset=16 (local.get $queue)) (i32.const 3)))
    (local.set $larger (call $newNodes (i32.shr_u (local.get $bytes) (i32.const 2))))
    (memory.copy (local.get $larger) (i32.add (local.get $nodes) (local.get $head))
      (i32.sub (local.get $bytes) (local.get $head)))
    (memory.copy (i32.add (local.get $larger) (i32.sub (local.get $bytes) (local.get $head))) (local.get $nodes)
      (local.get $head))
    (i32.store (local.get $queue) (local.get $larger))
    (i32.store offset=12 (local.get $queue) (i32.shr_u (local.get $bytes) (i32.const 2)))
    (i32.store offset=16 (local.get $queue) (i32.const 0)))

  (func $append (param $queue i32) (param $at i32) (param $request i32) (param $time i32)
    (local $node i32)
    (local.set $node (i32.add (i32.load (local.get $queue)) (i32.shl
      (i32.and (i32.add (i32.load offset=16 (local.get $queue)) (local.get $at))
        (i32.sub (i32.load offset=12 (local.get $queue)) (i32.const 1)))
      (i32.const 3))))
    (i32.store (local.get $node) (local.get $request))
    (i32.store offset=4 (local.get $node) (local.get $time))
    (if (i32.eqz (local.get $at)) (then (i32.store offset=8 (local.get $queue) (local.get $time)))))

  (func $push (param $queue i32) (param $request i32) (param $time i32)
    (local $nodes i32) (local $hole i32) (local $parent i32) (local $above i64)
    (local.set $hole (i32.load offset=4 (local.get $queue)))
    (if (i32.eq (local.get $hole) (i32.load offset=12 (local.get $queue))) (then (call $growQueue (local.get $queue))))
    (i32.store offset=4 (local.get $queue) (i32.add (local.get $hole) (i32.const 1)))
    (if (global.get $inOrder) (then
      (call $append (local.get $queue) (local.get $hole) (local.get $request) (local.get $time))
      (return)))
    (local.set $nodes (i32.load (local.get $queue)))
    (local.set $hole (i32.shl (local.get $hole) (i32.const 3)))
    (if (i32.lt_s (local.get $time) (i32.load offset=8 (local.get $queue))) (then
      (i32.store offset=8 (local.get $queue) (local.get $time))))
    (block $done
      (loop $up
        (br_if $done (i32.eqz (local.get $hole)))
        (local.set $parent (i32.and
          (i32.shr_u (i32.sub (local.get $hole) (i32.const 8)) (i32.const 1)) (i32.const -8)))
        (local.set $above (i64.load (i32.add (local.get $nodes) (local.get $parent))))
        (br_if $done (i32.le_s (i32.wrap_i64 (i64.shr_u (local.get $above) (i64.const 32))) (local.get $time)))
        (i64.store (i32.add (local.get $nodes) (local.get $hole)) (local.get $above))
        (local.set $hole (local.get $parent))
        (br $up)))
    (i64.store (i32.add (local.get $nodes) (local.get $hole)) (i64.or (i64.extend_i32_u (local.get $request))
      (i64.shl (i64.extend_i32_u (local.get $time)) (i64.const 32)))))

  (func $popInOrder (param $queue i32) (result i32)
    (local $nodes i32) (local $head i32) (local $request i32) (local $length i32)
    (local.set $nodes (i32.load (local.get $queue)))
    (local.set $head (i32.load offset=16 (local.get $queue)))
    (local.set $request (i32.load (i32.add (local.get $nodes) (i32.shl (local.get $head) (i32.const 3)))))
    (local.set $head (i32.and (i32.add (local.get $head) (i32.const 1))
      (i32.sub (i32.load offset=12 (local.get $queue)) (i32.const 1))))
    (local.set $length (i32.sub (i32.load offset=4 (local.get $queue)) (i32.const 1)))
    (i32.store offset=4 (local.get $queue) (local.get $length))
    (i32.store offset=16 (local.get $queue) (local.get $head))
    (i32.store offset=8 (local.get $queue) (select
      (i32.load offset=4 (i32.add (local.get $nodes) (i32.shl (local.get $head) (i32.const 3))))
      (i32.const 0x7fffffff)
      (local.get $length)))
    (local.get $request))

  ;; Equal times leave in the order of a heap that moves the hole down to a leaf, the right child up unless it is later, and then the last leaf
  ;; from there up to below the first that is not later, as the C++ library's does (quirk Q2). The same in one pass: times grow downwards, so
  ;; that what is later than the last leaf moves no further up. Behind the leaves is a time that never comes: how far to go hangs on the number
  ;; of nodes alone, and no branch on their times.
  (func $pop (param $queue i32) (result i32)
    (local $nodes i32) (local $request i32) (local $end i32) (local $levels i32)
    (local $hole i32) (local $child i32) (local $isRight i32) (local $isUp i32)
    (local $carried i64) (local $moved i64) (local $last i64)
    (if (global.get $inOrder) (then (return (call $popInOrder (local.get $queue)))))
    (local.set $nodes (i32.load (local.get $queue)))
    (local.set $request (i32.load (local.get $nodes)))
    (local.set $end (i32.sub (i32.load offset=4 (local.get $queue)) (i32.const 1)))
    (i32.store offset=4 (local.get $queue) (local.get $end))
    (local.set $levels (i32.sub (i32.const 31) (i32.clz (i32.or (local.get $end) (i32.const 1)))))
    (local.set $end (i32.add (local.get $nodes) (i32.shl (local.get $end) (i32.const 3))))
    (local.set $carried (i64.load (local.get $end)))
    ;; Nodes of the same time are not later.
    (local.set $last (i64.or (local.get $carried) (i64.const 0xffffffff)))
    (i64.store (local.get $end) (i64.const 0x7fffffff00000000))
    ;; Counted from 1, the children of a node are at twice its place.
    (local.set $nodes (i32.sub (local.get $nodes) (i32.const 8)))
    (local.set $hole (i32.const 8))
    (block $bottom
      (loop $down
        (br_if $bottom (i32.eqz (local.get $levels)))
        (local.set $child (i32.add (local.get $nodes) (i32.shl (local.get $hole) (i32.const 1))))
        (local.set $isRight (i32.le_u (i32.load offset=12 (local.get $child)) (i32.load offset=4 (local.get $child))))
        (local.set $child (i32.add (i32.shl (local.get $hole) (i32.const 1)) (i32.shl (local.get $isRight) (i32.const 3))))
        (local.set $moved (i64.load (i32.add (local.get $nodes) (local.get $child))))
        (local.set $isUp (i64.le_u (local.get $moved) (local.get $last)))
        (i64.store (i32.add (local.get $nodes) (local.get $hole)) (select (local.get $moved) (local.get $carried) (local.get $isUp)))
        (local.set $carried (select (local.get $carried) (local.get $moved) (local.get $isUp)))
        (local.set $hole (local.get $child))
        (local.set $levels (i32.sub (local.get $levels) (i32.const 1)))
        (br $down)))
    (i64.store (i32.add (local.get $nodes) (local.get $hole)) (local.get $carried))
    (i64.store (local.get $end) (i64.const 0x7fffffff00000000))
    (i32.store offset=8 (local.get $queue) (i32.load offset=12 (local.get $nodes)))
    (local.get $request))

  (func $moveQueue (param $queue i32) (param $by i32)
    (local $at i32) (local $end i32)
    (local.set $at (i32.load (local.get $queue)))
    ;; A ring's filled part may lie anywhere; nobody reads the rest. A heap has its nodes first, and the rest stays what never comes.
    (local.set $end (i32.add (local.get $at) (i32.shl
      (i32.load (i32.add (local.get $queue) (select (i32.const 12) (i32.const 4) (global.get $inOrder)))) (i32.const 3))))
    (block $moved
      (loop $next
        (br_if $moved (i32.ge_u (local.get $at) (local.get $end)))
        (i32.store offset=4 (local.get $at) (i32.sub (i32.load offset=4 (local.get $at)) (local.get $by)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (if (i32.load offset=4 (local.get $queue)) (then
      (i32.store offset=8 (local.get $queue) (i32.sub (i32.load offset=8 (local.get $queue)) (local.get $by))))))

  (func $moveEpoch (param $by i32)
    (global.set $epoch (f64.add (global.get $epoch) (f64.convert_i32_s (local.get $by))))
    (call $moveQueue (i32.const 64) (local.get $by))
    (call $moveQueue (i32.const 96) (local.get $by))
    (call $moveQueue (i32.const 128) (local.get $by))
    (call $moveQueue (i32.const 160) (local.get $by)))

  ;; --- caches

  (func $setOf (param $cache i32) (param $did i32) (param $bits i32) (result i32)
    (local $setBits i32)
    (local.set $setBits (i32.load offset=36 (local.get $cache)))
    (i32.or
      (i32.shl (i32.and (local.get $did) (i32.load offset=40 (local.get $cache))) (local.get $setBits))
      (i32.and (local.get $bits) (i32.sub (i32.shl (i32.const 1) (local.get $setBits)) (i32.const 1)))))

  ;; Sixteen bits that most other tags do not have; the highest says that there is a tag.
  (func $signature (param $key i64) (param $did i32) (result i32)
    (i32.or (i32.const 0x8000) (i32.wrap_i64 (i64.shr_u
      (i64.mul (i64.add (local.get $key) (i64.shl (i64.extend_i32_u (local.get $did)) (i64.const 40)))
        (i64.const 0x9e3779b97f4a7c15))
      (i64.const 49)))))

  (func $rowOf (param $cache i32) (param $set i32) (result i32)
    (i32.add (i32.load offset=8 (local.get $cache)) (i32.mul (local.get $set) (i32.load offset=4 (local.get $cache)))))

  (func $tagOf (param $cache i32) (param $set i32) (param $way i32) (result i32)
    (i32.add (i32.load offset=12 (local.get $cache)) (i32.shl
      (i32.add (i32.mul (local.get $set) (i32.load (local.get $cache))) (local.get $way))
      (i32.const 4))))

  ;; A bit for each of the sixteen signatures from an address that is the one wanted.
  (func $matches (param $at i32) (param $signature i32) (result i32)
    (local $wanted v128)
    (local.set $wanted (i16x8.splat (local.get $signature)))
    (i8x16.bitmask (i8x16.narrow_i16x8_s
      (i16x8.eq (v128.load (local.get $at)) (local.get $wanted))
      (i16x8.eq (v128.load offset=16 (local.get $at)) (local.get $wanted)))))

  (func $isTag (param $tag i32) (param $key i64) (param $did i32) (result i32)
    (i32.and (i64.eq (i64.load (local.get $tag)) (local.get $key))
      (i32.eq (i32.load offset=8 (local.get $tag)) (local.get $did))))

  ;; Way of the tag in its set from a way on, or -1.
  (func $find (param $cache i32) (param $set i32) (param $key i64) (param $did i32) (result i32)
    (local $way i32) (local $at i32) (local $matches i32) (local $found i32)
    (local.set $at (i32.add (call $rowOf (local.get $cache) (local.get $set)) (i32.const 32)))
    (loop $sixteen
      (local.set $matches (call $matches (local.get $at) (call $signature (local.get $key) (local.get $did))))
      (block $none
        (loop $candidate
          (br_if $none (i32.eqz (local.get $matches)))
          (local.set $found (i32.add (local.get $way) (i32.ctz (local.get $matches))))
          (if (call $isTag (call $tagOf (local.get $cache) (local.get $set) (local.get $found)) (local.get $key) (local.get $did))
            (then (return (local.get $found))))
          (local.set $matches (i32.and (local.get $matches) (i32.sub (local.get $matches) (i32.const 1))))
          (br $candidate)))
      (local.set $way (i32.add (local.get $way) (i32.const 16)))
      (local.set $at (i32.add (local.get $at) (i32.const 32)))
      (br_if $sixteen (i32.lt_u (local.get $way) (i32.load (local.get $cache)))))
    (i32.const -1))

  ;; The same of up to sixteen ways, 16 if there is none: without a branch on what is found, as hits and misses come in any order.
  (func $findAged (param $cache i32) (param $set i32) (param $key i64) (param $did i32) (result i32)
    (local $matches i32) (local $way i32)
    (local.set $matches (call $matches
      (i32.add (call $rowOf (local.get $cache) (local.get $set)) (i32.const 32))
      (call $signature (local.get $key) (local.get $did))))
    (local.set $way (i32.ctz (i32.or (local.get $matches) (i32.const 0x10000))))
    ;; Another tag of the same signature: hardly ever.
    (if (i32.and (i32.ne (local.get $matches) (i32.const 0)) (i32.eqz (call $isTag
        (call $tagOf (local.get $cache) (local.get $set) (local.get $way)) (local.get $key) (local.get $did)))) (then
      (local.set $way (call $find (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
      (local.set $way (select (i32.const 16) (local.get $way) (i32.eq (local.get $way) (i32.const -1))))))
    (local.get $way))

  ;; Makes a way the newest of its set: those newer so far age by one. Nothing for way 16, whose age is the zero behind the ages.
  (func $renew (param $row i32) (param $way i32)
    (local $ages v128)
    (local.set $ages (v128.load (local.get $row)))
    (v128.store (local.get $row) (v128.andnot
      (i8x16.sub (local.get $ages)
        (i8x16.gt_s (v128.load8_splat (i32.add (local.get $row) (local.get $way))) (local.get $ages)))
      (v128.load offset=1152 (i32.shl (local.get $way) (i32.const 4))))))

  (func $kept (param $cache i32) (param $set i32) (param $way i32) (result i32)
    (i32.add (i32.load offset=16 (local.get $cache)) (i32.shl
      (i32.add (i32.mul (local.get $set) (i32.load (local.get $cache))) (local.get $way))
      (i32.const 3))))

  (func $touch (param $cache i32) (param $set i32) (param $way i32)
    (local $touches i64)
    (local.set $touches (i64.add (i64.load offset=80 (local.get $cache)) (i64.const 1)))
    (i64.store offset=80 (local.get $cache) (local.get $touches))
    (i64.store (call $kept (local.get $cache) (local.get $set) (local.get $way)) (local.get $touches)))

  ;; A count that reaches 15 halves all counts of its set.
  (func $countUse (param $cache i32) (param $set i32) (param $way i32)
    (local $at i32) (local $end i32) (local $uses i64)
    (local.set $at (call $kept (local.get $cache) (local.get $set) (local.get $way)))
    (local.set $uses (i64.add (i64.load (local.get $at)) (i64.const 1)))
    (i64.store (local.get $at) (local.get $uses))
    (if (i64.lt_u (local.get $uses) (i64.const 15)) (then (return)))
    (local.set $at (call $kept (local.get $cache) (local.get $set) (i32.const 0)))
    (local.set $end (i32.add (local.get $at) (i32.shl (i32.load (local.get $cache)) (i32.const 3))))
    (loop $next
      (i64.store (local.get $at) (i64.shr_u (i64.load (local.get $at)) (i64.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Tells the cache's policy of a hit, where it is not LRU by ages.
  (func $use (param $cache i32) (param $set i32) (param $way i32) (param $nextAccess f64)
    (local $policy i32)
    (local.set $policy (i32.load offset=44 (local.get $cache)))
    (if (i32.eq (local.get $policy) (i32.const 3)) (then
      (call $touch (local.get $cache) (local.get $set) (local.get $way))
      (return)))
    (if (i32.eq (local.get $policy) (i32.const 1))
      (then (call $countUse (local.get $cache) (local.get $set) (local.get $way)))
      (else (f64.store (call $kept (local.get $cache) (local.get $set) (local.get $way)) (local.get $nextAccess)))))

  ;; Looks up and tells the policy of a hit; 1 on a hit.
  (func $lookup (param $cache i32) (param $bits i32) (param $key i64) (param $did i32) (param $nextAccess f64) (result i32)
    (local $set i32) (local $way i32)
    (if (i32.eqz (i32.load (local.get $cache))) (then (return (i32.const 0))))
    (local.set $set (call $setOf (local.get $cache) (local.get $did) (local.get $bits)))
    (if (i32.load offset=44 (local.get $cache)) (then
      (local.set $way (call $find (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
      (if (i32.eq (local.get $way) (i32.const -1)) (then (return (i32.const 0))))
      (call $use (local.get $cache) (local.get $set) (local.get $way) (local.get $nextAccess))
      (return (i32.const 1))))
    (local.set $way (call $findAged (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
    (call $renew (call $rowOf (local.get $cache) (local.get $set)) (local.get $way))
    (i32.lt_u (local.get $way) (i32.const 16)))

  ;; Touched least recently, of more ways than have ages.
  (func $oldest (param $cache i32) (param $set i32) (result i32)
    (local $at i32) (local $way i32) (local $oldest i32) (local $least i64) (local $touch i64) (local $older i32)
    (local.set $at (call $kept (local.get $cache) (local.get $set) (i32.const 0)))
    (local.set $least (i64.const -1))
    (loop $next
      (local.set $touch (i64.load (local.get $at)))
      (local.set $older (i64.lt_u (local.get $touch) (local.get $least)))
      (local.set $oldest (select (local.get $way) (local.get $oldest) (local.get $older)))
      (local.set $least (select (local.get $touch) (local.get $least) (local.get $older)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $way (i32.add (local.get $way) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $way) (i32.load (local.get $cache)))))
    (local.get $oldest))

  ;; Way that a new tag of the set goes to. The hash of (page << 16 | DID) orders ties of the policies that have them.
  (func $wayFor (param $cache i32) (param $set i32) (param $key i64) (param $did i32) (result i32)
    (local $used i32) (local $row i32) (local $hash i64)
    (local.set $row (call $rowOf (local.get $cache) (local.get $set)))
    (local.set $used (i32.load offset=20 (local.get $row)))
    (if (i32.lt_u (local.get $used) (i32.load (local.get $cache)))
      (then
        (i32.store offset=20 (local.get $row) (i32.add (local.get $used) (i32.const 1)))
        (if (i32.eq (i32.load offset=44 (local.get $cache)) (i32.const 3)) (then (return (local.get $used)))))
      (else
        (call $count (i32.add (local.get $cache) (i32.const 64)))
        (if (i32.eq (i32.load offset=44 (local.get $cache)) (i32.const 3)) (then
          (return (call $oldest (local.get $cache) (local.get $set)))))
        (local.set $used (i32.const -1))))
    (local.set $hash (i64.or (i64.shl (local.get $key) (i64.const 16)) (i64.extend_i32_u (local.get $did))))
    (call $place (i32.load offset=32 (local.get $cache)) (local.get $set) (local.get $used)
      (i32.wrap_i64 (i64.shr_u (local.get $hash) (i64.const 32))) (i32.wrap_i64 (local.get $hash))))

  (func $write (param $cache i32) (param $set i32) (param $way i32) (param $key i64) (param $did i32)
    (local $tag i32)
    (local.set $tag (call $tagOf (local.get $cache) (local.get $set) (local.get $way)))
    (i64.store (local.get $tag) (local.get $key))
    (i32.store offset=8 (local.get $tag) (local.get $did))
    (i32.store16 offset=32
      (i32.add (call $rowOf (local.get $cache) (local.get $set)) (i32.shl (local.get $way) (i32.const 1)))
      (call $signature (local.get $key) (local.get $did))))

  ;; 1 on a hit. Policies that are not LRU by ages.
  (func $accessKept (param $cache i32) (param $set i32) (param $key i64) (param $did i32) (param $nextAccess f64) (result i32)
    (local $way i32)
    (local.set $way (call $find (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
    (if (i32.ne (local.get $way) (i32.const -1)) (then
      (call $use (local.get $cache) (local.get $set) (local.get $way) (local.get $nextAccess))
      (return (i32.const 1))))
    (call $count (i32.add (local.get $cache) (i32.const 56)))
    (local.set $way (call $wayFor (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
    (call $write (local.get $cache) (local.get $set) (local.get $way) (local.get $key) (local.get $did))
    (if (i32.eq (i32.load offset=44 (local.get $cache)) (i32.const 1))
      (then (i64.store (call $kept (local.get $cache) (local.get $set) (local.get $way)) (i64.const 0)))
      (else (call $use (local.get $cache) (local.get $set) (local.get $way) (local.get $nextAccess))))
    (i32.const 0))

  ;; The same of LRU by ages, where a hit writes what is there already: no branch on it. Empty ways are the oldest, the first before the others.
  (func $accessAged (param $cache i32) (param $set i32) (param $key i64) (param $did i32) (result i32)
    (local $row i32) (local $way i32) (local $miss i32)
    (local.set $row (call $rowOf (local.get $cache) (local.get $set)))
    (local.set $way (call $findAged (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))
    (local.set $miss (i32.shr_u (local.get $way) (i32.const 4)))
    (local.set $way (select
      (i32.ctz (i8x16.bitmask (i8x16.eq (v128.load (local.get $row)) (v128.load offset=96 (local.get $cache)))))
      (local.get $way)
      (local.get $miss)))
    (i64.store offset=56 (local.get $cache)
      (i64.add (i64.load offset=56 (local.get $cache)) (i64.extend_i32_u (local.get $miss))))
    (i64.store offset=64 (local.get $cache) (i64.add (i64.load offset=64 (local.get $cache)) (i64.extend_i32_u
      (i32.and (local.get $miss)
        (i32.shr_u (i32.load16_u offset=32 (i32.add (local.get $row) (i32.shl (local.get $way) (i32.const 1)))) (i32.const 15))))))
    (call $write (local.get $cache) (local.get $set) (local.get $way) (local.get $key) (local.get $did))
    (call $renew (local.get $row) (local.get $way))
    (i32.eqz (local.get $miss)))

  ;; Looks up, counts, and inserts on a miss; 1 on a hit. Nothing when there is no cache or it takes no such domain (selective allocation).
  ;; Hits are the accesses of all sets less the misses. A domain's first access is a miss, and so makes it one of those seen.
  (func $access (param $cache i32) (param $bits i32) (param $key i64) (param $did i32) (param $nextAccess f64) (result i32)
    (local $set i32) (local $row i32)
    (if (i32.eqz (i32.load (local.get $cache))) (then (return (i32.const 0))))
    (if (i32.lt_u (local.get $did) (i32.load offset=72 (local.get $cache))) (then (return (i32.const 0))))
    (if (i32.ge_u (local.get $did) (i32.load offset=76 (local.get $cache))) (then (return (i32.const 0))))
    (local.set $set (call $setOf (local.get $cache) (local.get $did) (local.get $bits)))
    (local.set $row (call $rowOf (local.get $cache) (local.get $set)))
    (i64.store offset=24 (local.get $row) (i64.add (i64.load offset=24 (local.get $row)) (i64.const 1)))
    (i32.store8 (i32.add (i32.load offset=28 (local.get $cache)) (local.get $did)) (i32.const 1))
    (if (i32.load offset=44 (local.get $cache)) (then
      (return (call $accessKept (local.get $cache) (local.get $set) (local.get $key) (local.get $did) (local.get $nextAccess)))))
    (call $accessAged (local.get $cache) (local.get $set) (local.get $key) (local.get $did)))

  ;; --- context cache: LFU, of one set as a rule, so that a table says where a SID is

  (func $contextEntry (param $sid i32) (param $did i32) (result i32)
    (i32.or (i32.shl (local.get $sid) (i32.load offset=72 (i32.const 768)))
      (i32.and (local.get $did) (i32.load offset=40 (i32.const 768)))))

  (func $slotOfContext (param $sid i32) (param $did i32) (result i32)
    (i32.add (i32.load offset=12 (i32.const 768)) (i32.shl (call $contextEntry (local.get $sid) (local.get $did)) (i32.const 2))))

  ;; 1 on a hit.
  (func $contextLookup (param $sid i32) (param $did i32) (result i32)
    (local $slot i32) (local $at i32) (local $end i32) (local $uses i32)
    (local.set $slot (i32.load (call $slotOfContext (local.get $sid) (local.get $did))))
    (if (i32.eqz (local.get $slot)) (then (return (i32.const 0))))
    (local.set $at (i32.add (i32.load offset=16 (i32.const 768)) (i32.sub (local.get $slot) (i32.const 1))))
    (local.set $uses (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
    (i32.store8 (local.get $at) (local.get $uses))
    (if (i32.lt_u (local.get $uses) (i32.const 15)) (then (return (i32.const 1))))
    (local.set $at (i32.add (i32.load offset=16 (i32.const 768)) (i32.mul (i32.load offset=20 (i32.const 768))
      (call $setOf (i32.const 768) (local.get $did) (local.get $sid)))))
    (local.set $end (i32.add (local.get $at) (i32.load offset=20 (i32.const 768))))
    (loop $eight
      (i64.store (local.get $at)
        (i64.and (i64.shr_u (i64.load (local.get $at)) (i64.const 1)) (i64.const 0x7f7f7f7f7f7f7f7f)))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $eight (i32.lt_u (local.get $at) (local.get $end))))
    (i32.const 1))

  (func $contextAccess (param $sid i32) (param $did i32)
    (local $set i32) (local $row i32) (local $way i32) (local $slot i32) (local $at i32)
    (if (i32.eqz (i32.load (i32.const 768))) (then (return)))
    (local.set $set (call $setOf (i32.const 768) (local.get $did) (local.get $sid)))
    (local.set $row (call $rowOf (i32.const 768) (local.get $set)))
    (i64.store offset=24 (local.get $row) (i64.add (i64.load offset=24 (local.get $row)) (i64.const 1)))
    (if (call $contextLookup (local.get $sid) (local.get $did)) (then (return)))
    (call $count (i32.const 824))
    (i32.store8 (i32.add (i32.load offset=28 (i32.const 768)) (local.get $did)) (i32.const 1))
    (local.set $way (i32.load offset=20 (local.get $row)))
    (if (i32.lt_u (local.get $way) (i32.load (i32.const 768)))
      (then
        (i32.store offset=20 (local.get $row) (i32.add (local.get $way) (i32.const 1)))
        (drop (call $place (i32.const 0) (local.get $set) (local.get $way) (i32.const 0) (local.get $sid))))
      (else
        (call $count (i32.const 832))
        (local.set $way
          (call $place (i32.const 0) (local.get $set) (i32.const -1) (i32.const 0) (local.get $sid)))))
    (local.set $slot (i32.add (i32.mul (local.get $set) (i32.load offset=20 (i32.const 768))) (local.get $way)))
    (i32.store8 (i32.add (i32.load offset=16 (i32.const 768)) (local.get $slot)) (i32.const 0))
    ;; The inverse holds where the slot is told, so that 0 is an empty slot.
    (local.set $at (i32.add (i32.load offset=24 (i32.const 768)) (i32.shl (local.get $slot) (i32.const 2))))
    (if (i32.load (local.get $at)) (then (i32.store (i32.load (local.get $at)) (i32.const 0))))
    (i32.store (local.get $at) (call $slotOfContext (local.get $sid) (local.get $did)))
    (i32.store (i32.load (local.get $at)) (i32.add (local.get $slot) (i32.const 1))))

  ;; --- requests and the prefetcher

  (func $release (param $request i32)
    (i32.store (local.get $request) (global.get $freeRequest))
    (global.set $freeRequest (local.get $request)))

  (func $sidRecord (param $sid i32) (result i32)
    (local $at i32) (local $record i32)
    (local.set $at (i32.add (global.get $sidRecords) (i32.shl (local.get $sid) (i32.const 2))))
    (local.set $record (i32.load (local.get $at)))
    (if (local.get $record) (then (return (local.get $record))))
    (local.set $record (call $alloc (i32.add (i32.const 16) (i32.shl (global.get $depth) (i32.const 5)))))
    (i32.store (local.get $at) (local.get $record))
    (call $count (i32.const 1128))
    (local.get $record))

  (func $remember (param $record i32) (param $request i32)
    (local $length i32) (local $entry i32) (local $end i32) (local $page i64) (local $known i32) (local $oldest i32)
    (local.set $length (i32.load offset=4 (local.get $record)))
    (local.set $entry (i32.add (local.get $record) (i32.const 16)))
    (local.set $end (i32.add (local.get $entry) (i32.shl (local.get $length) (i32.const 5))))
    (local.set $page (i64.load offset=8 (local.get $request)))
    (block $compared
      (loop $next
        (br_if $compared (i32.ge_u (local.get $entry) (local.get $end)))
        (local.set $known (i32.or (local.get $known)
          (i64.eq (i64.load offset=8 (local.get $entry)) (local.get $page))))
        (local.set $entry (i32.add (local.get $entry) (i32.const 32)))
        (br $next)))
    (i64.store (i32.const 1120) (i64.add (i64.load (i32.const 1120)) (i64.extend_i32_u (local.get $known))))
    (if (i32.eq (local.get $length) (global.get $depth))
      (then
        (local.set $oldest (i32.load offset=8 (local.get $record)))
        (local.set $entry (i32.add (i32.add (local.get $record) (i32.const 16))
          (i32.shl (local.get $oldest) (i32.const 5))))
        (local.set $oldest (i32.add (local.get $oldest) (i32.const 1)))
        (i32.store offset=8 (local.get $record)
          (select (i32.const 0) (local.get $oldest) (i32.eq (local.get $oldest) (global.get $depth)))))
      (else (i32.store offset=4 (local.get $record) (i32.add (local.get $length) (i32.const 1)))))
    (i64.store (local.get $entry) (i64.load (local.get $request)))
    (i64.store offset=8 (local.get $entry) (local.get $page))
    (i64.store offset=16 (local.get $entry) (i64.load offset=20 (local.get $request))))

  ;; Asks for the last pages of the SID that is expected, the oldest first.
  (func $prefetch (param $record i32) (param $time i32)
    (local $left i32) (local $at i32) (local $entry i32) (local $request i32)
    (local.set $left (i32.load offset=4 (local.get $record)))
    (local.set $at (i32.load offset=8 (local.get $record)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $entry (i32.add (i32.add (local.get $record) (i32.const 16)) (i32.shl (local.get $at) (i32.const 5))))
        (local.set $request (global.get $freeRequest))
    (if (local.get $request)
      (then (global.set $freeRequest (i32.load (local.get $request))))
      (else (local.set $request (call $alloc (i32.const 64)))))
        (i64.store (local.get $request) (i64.load (local.get $entry)))
        (i64.store offset=8 (local.get $request) (i64.load offset=8 (local.get $entry)))
        (i64.store offset=20 (local.get $request) (i64.load offset=16 (local.get $entry)))
        (i32.store offset=28 (local.get $request) (i32.const 1))
        (call $push (i32.const 96) (local.get $request) (local.get $time))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $at (select (i32.const 0) (local.get $at) (i32.eq (local.get $at) (global.get $depth))))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))

  (func $learn (param $sid i32)
    (local $record i32) (local $at i32)
    (if (i32.ne (global.get $previous) (i32.const -1)) (then
      (if (i32.eq (global.get $previous) (local.get $sid))
        (then (i64.store (i32.const 1080) (i64.add (i64.load (i32.const 1080)) (i64.const 1))))
        (else
          (i64.store (i32.const 1088) (i64.add (i64.load (i32.const 1088)) (i64.const 1)))
          (local.set $record (call $sidRecord (global.get $previous)))
          (if (i32.eqz (i32.load (local.get $record))) (then
            (i32.store (local.get $record) (i32.add (local.get $sid) (i32.const 1)))
            (call $count (i32.const 1072))))))))
    (if (i32.lt_u (global.get $recentLength) (global.get $distance)) (then
      (i32.store (i32.add (global.get $recent) (i32.shl (global.get $recentLength) (i32.const 2))) (local.get $sid))
      (global.set $recentLength (i32.add (global.get $recentLength) (i32.const 1)))
      (return)))
    (local.set $at (i32.add (global.get $recent) (i32.shl (global.get $recentStart) (i32.const 2))))
    (global.set $previous (i32.load (local.get $at)))
    (i32.store (local.get $at) (local.get $sid))
    (global.set $recentStart (i32.add (global.get $recentStart) (i32.const 1)))
    (if (i32.eq (global.get $recentStart) (global.get $distance)) (then (global.set $recentStart (i32.const 0)))))

  ;; What follows a SID is learnt once; "correct" compares with the next translation's SID, not the one expected (quirk Q9).
  (func $probe (param $request i32) (param $now i32)
    (local $sid i32) (local $record i32)
    (local.set $sid (i32.load offset=16 (local.get $request)))
    (i64.store (i32.const 1040) (i64.add (i64.load (i32.const 1040)) (i64.const 1)))
    (local.set $record (call $sidRecord (local.get $sid)))
    (call $remember (local.get $record) (local.get $request))
    (if (i32.ne (global.get $predicted) (i32.const -1)) (then
      (if (i32.eq (global.get $predicted) (local.get $sid))
        (then (i64.store (i32.const 1048) (i64.add (i64.load (i32.const 1048)) (i64.const 1))))
        (else (i64.store (i32.const 1056) (i64.add (i64.load (i32.const 1056)) (i64.const 1)))))))
    (global.set $predicted (i32.sub (i32.load (local.get $record)) (i32.const 1)))
    (if (i32.ne (global.get $predicted) (i32.const -1)) (then
      (i64.store (i32.const 1064) (i64.add (i64.load (i32.const 1064)) (i64.const 1)))
      (call $prefetch (call $sidRecord (global.get $predicted)) (i32.add (local.get $now) (i32.const 500)))))
    (call $learn (local.get $sid)))

  ;; --- stages

  (func $issue (param $now i32)
    (local $at i32) (local $request i32) (local $sid i32) (local $did i32) (local $wait i32) (local $iova i64)
    (local.set $at (global.get $position))
    (global.set $position (i32.add (local.get $at) (i32.const 1)))
    (local.set $request (global.get $freeRequest))
    (if (local.get $request)
      (then (global.set $freeRequest (i32.load (local.get $request))))
      (else (local.set $request (call $alloc (i32.const 64)))))
    (local.set $sid (i32.load16_u (i32.add (global.get $sids) (i32.shl (local.get $at) (i32.const 1)))))
    (local.set $did (i32.load16_u (i32.add (global.get $dids) (i32.shl (local.get $at) (i32.const 1)))))
    (i32.store offset=16 (local.get $request) (local.get $sid))
    (i32.store offset=20 (local.get $request) (local.get $did))
    (i32.store offset=24 (local.get $request) (i32.load8_u (i32.add (global.get $levels) (local.get $at))))
    (i32.store offset=28 (local.get $request) (i32.const 0))
    (f64.store offset=40 (local.get $request) (f64.add (global.get $epoch) (f64.convert_i32_s (local.get $now))))
    (f64.store offset=48 (local.get $request)
      (f64.load (i32.add (global.get $nextAccess) (i32.shl (local.get $at) (i32.const 3)))))
    (local.set $at (i32.shl (local.get $at) (i32.const 2)))
    (local.set $iova (i64.or (i64.load32_u (i32.add (global.get $iovaLo) (local.get $at)))
      (i64.shl (i64.load32_u (i32.add (global.get $iovaHi) (local.get $at))) (i64.const 32))))
    (i64.store (local.get $request) (local.get $iova))
    (i64.store offset=8 (local.get $request) (i64.and (local.get $iova)
      (i64.or (i64.load32_u (i32.add (global.get $maskLo) (local.get $at)))
        (i64.shl (i64.load32_u (i32.add (global.get $maskHi) (local.get $at))) (i64.const 32)))))
    (local.set $wait (select (i32.const 1) (i32.const 1000) (call $contextLookup (local.get $sid) (local.get $did))))
    (i32.store offset=32 (local.get $request) (local.get $wait))
    (call $push (i32.const 64) (local.get $request) (i32.add (local.get $now) (local.get $wait)))
    (i64.store (i32.const 1024) (i64.add (i64.load (i32.const 1024)) (i64.const 1)))
    (global.set $inFlight (i32.add (global.get $inFlight) (i32.const 1))))

  (func $send (param $queue i32) (param $request i32) (param $latency i32) (param $time i32)
    (i32.store offset=32 (local.get $request)
      (i32.add (i32.load offset=32 (local.get $request)) (local.get $latency)))
    (call $push (local.get $queue) (local.get $request) (local.get $time)))

  (func $inDeviceTlb (param $request i32) (result i32)
    (call $lookup (i32.const 256)
      (i32.wrap_i64 (i64.shr_u (i64.load (local.get $request)) (i64.const 21)))
      (i64.load offset=8 (local.get $request)) (i32.load offset=20 (local.get $request)) (f64.load offset=48 (local.get $request))))

  (func $afterContext (param $request i32) (param $now i32)
    (local $inBuffer i32) (local $isThere i32)
    (call $contextAccess (i32.load offset=16 (local.get $request)) (i32.load offset=20 (local.get $request)))
    (local.set $isThere (call $inDeviceTlb (local.get $request)))
    (local.set $inBuffer (call $lookup (i32.const 640) (i32.const 0)
      (i64.load offset=8 (local.get $request)) (i32.load offset=20 (local.get $request)) (f64.const 0)))
    (i64.store (i32.const 1112) (i64.add (i64.load (i32.const 1112)) (i64.extend_i32_u (local.get $inBuffer))))
    (local.set $isThere (i32.or (local.get $isThere) (local.get $inBuffer)))
    (call $send
      (select (i32.const 160) (i32.const 96) (local.get $isThere))
      (local.get $request)
      (select (i32.const 2) (i32.const 450) (local.get $isThere))
      (i32.add (local.get $now) (select (i32.const 1) (i32.const 450) (local.get $isThere))))
    (call $probe (local.get $request) (local.get $now)))

  ;; No branch on what is found, but for a request that disappears (quirk Q6).
  (func $inPageCaches (param $request i32) (param $now i32)
    (local $iova i64) (local $did i32) (local $level i32) (local $inL2 i32) (local $inL3 i32) (local $isLeaf i32) (local $latency i32)
    (local.set $iova (i64.load (local.get $request)))
    (local.set $did (i32.load offset=20 (local.get $request)))
    (local.set $level (i32.load offset=24 (local.get $request)))
    (local.set $inL2 (call $lookup (i32.const 384)
      (i32.wrap_i64 (i64.shr_u (local.get $iova) (i64.const 21))) (i64.shr_u (local.get $iova) (i64.const 21))
      (local.get $did) (f64.const 0)))
    (local.set $inL3 (call $lookup (i32.const 512)
      (i32.wrap_i64 (i64.shr_u (local.get $iova) (i64.const 30))) (i64.shr_u (local.get $iova) (i64.const 30))
      (local.get $did) (f64.const 0)))
    (if (i32.and (local.get $inL2) (i32.gt_u (i32.sub (local.get $level) (i32.const 1)) (i32.const 1))) (then
      (call $release (local.get $request))
      (return)))
    (local.set $isLeaf (i32.or
      (i32.and (local.get $inL2) (i32.eq (local.get $level) (i32.const 2)))
      (i32.and (local.get $inL3) (i32.eq (local.get $level) (i32.const 3)))))
    (local.set $latency (select
      (select (i32.const 455) (i32.const 5) (local.get $inL2))
      (i32.mul (i32.const 50) (select
        (i32.const 1)
        (select (i32.sub (i32.const 3) (local.get $level)) (local.get $level) (local.get $inL3))
        (local.get $inL2)))
      (local.get $isLeaf)))
    (call $send (select (i32.const 160) (i32.const 128) (local.get $isLeaf)) (local.get $request) (local.get $latency)
      (i32.add (local.get $now) (i32.sub (local.get $latency) (i32.const 1)))))

  (func $fillPageCaches (param $request i32) (param $now i32)
    (local $iova i64) (local $did i32)
    (local.set $iova (i64.load (local.get $request)))
    (local.set $did (i32.load offset=20 (local.get $request)))
    (drop (call $access (i32.const 384)
      (i32.wrap_i64 (i64.shr_u (local.get $iova) (i64.const 21))) (i64.shr_u (local.get $iova) (i64.const 21))
      (local.get $did) (f64.const 0)))
    (drop (call $access (i32.const 512)
      (i32.wrap_i64 (i64.shr_u (local.get $iova) (i64.const 30))) (i64.shr_u (local.get $iova) (i64.const 30))
      (local.get $did) (f64.const 0)))
    (call $send (i32.const 160) (local.get $request) (i32.const 450) (i32.add (local.get $now) (i32.const 450))))

  (func $complete (param $request i32)
    (local $did i32) (local $flow i32)
    (local.set $did (i32.load offset=20 (local.get $request)))
    (if (i32.load offset=28 (local.get $request)) (then
      (i64.store (i32.const 1096) (i64.add (i64.load (i32.const 1096)) (i64.const 1)))
      (if (call $access (i32.const 640) (i32.const 0) (i64.load offset=8 (local.get $request)) (local.get $did)
        (f64.const 0)) (then (i64.store (i32.const 1104) (i64.add (i64.load (i32.const 1104)) (i64.const 1)))))
      (call $release (local.get $request))
      (return)))
    (drop (call $access (i32.const 256)
      (i32.wrap_i64 (i64.shr_u (i64.load (local.get $request)) (i64.const 21)))
      (i64.load offset=8 (local.get $request)) (local.get $did) (f64.load offset=48 (local.get $request))))
    (local.set $flow (i32.add (global.get $flows) (i32.shl (local.get $did) (i32.const 5))))
    (if (f64.eq (f64.load offset=16 (local.get $flow)) (f64.const 0)) (then
      (f64.store (local.get $flow) (f64.load offset=40 (local.get $request)))))
    (f64.store offset=8 (local.get $flow) (f64.add (f64.load offset=40 (local.get $request))
      (f64.convert_i32_s (i32.load offset=32 (local.get $request)))))
    (f64.store offset=16 (local.get $flow) (f64.add (f64.load offset=16 (local.get $flow)) (f64.const 1)))
    (global.set $inFlight (i32.sub (global.get $inFlight) (i32.const 1)))
    (call $release (local.get $request)))

  ;; One nanosecond: each queue releases at most one event, in this order (quirk Q1).
  (func $cycle (param $now i32)
    (if (i32.le_s (i32.load (i32.const 72)) (local.get $now)) (then
      (call $afterContext (call $pop (i32.const 64)) (local.get $now))))
    (if (i32.le_s (i32.load (i32.const 104)) (local.get $now)) (then
      (call $inPageCaches (call $pop (i32.const 96)) (local.get $now))))
    (if (i32.le_s (i32.load (i32.const 136)) (local.get $now)) (then
      (call $fillPageCaches (call $pop (i32.const 128)) (local.get $now))))
    (if (i32.le_s (i32.load (i32.const 168)) (local.get $now)) (then
      (call $complete (call $pop (i32.const 160))))))

  (func $nextDue (result i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local.set $a (i32.load (i32.const 72)))
    (local.set $b (i32.load (i32.const 104)))
    (local.set $c (i32.load (i32.const 136)))
    (local.set $d (i32.load (i32.const 168)))
    (local.set $a (select (local.get $a) (local.get $b) (i32.lt_s (local.get $a) (local.get $b))))
    (local.set $c (select (local.get $c) (local.get $d) (i32.lt_s (local.get $c) (local.get $d))))
    (select (local.get $a) (local.get $c) (i32.lt_s (local.get $a) (local.get $c))))

  ;; Goes on until a slot wants a packet that is not there yet: 0. 1: requests were lost and the link stands still.
  (func (export "run") (result i32)
    (local $now i32) (local $nextSlot i32) (local $due i32) (local $slots i32)
    (local.set $now (global.get $now))
    (local.set $nextSlot (global.get $nextSlot))
    (local.set $due (call $nextDue))
    (loop $step
      (if (i32.eq (local.get $now) (local.get $nextSlot)) (then
        (if (i32.ge_s (global.get $inFlight) (global.get $queueEntries))
          (then (call $count (i32.const 1032)))
          (else
            (if (i32.lt_s (i32.sub (global.get $length) (global.get $position)) (i32.const 3)) (then
              (global.set $now (local.get $now))
              (global.set $nextSlot (local.get $nextSlot))
              (return (i32.const 0))))
            (call $issue (local.get $now))
            (call $issue (local.get $now))
            (call $issue (local.get $now))))
        (local.set $nextSlot (i32.add (local.get $nextSlot) (global.get $interval)))
        (if (i32.ge_s (local.get $now) (i32.const 0x20000000)) (then
          (call $moveEpoch (local.get $now))
          (local.set $nextSlot (i32.sub (local.get $nextSlot) (local.get $now)))
          (local.set $now (i32.const 0))))
        (local.set $due (call $nextDue))))
      (if (i32.le_s (local.get $due) (local.get $now)) (then
        (call $cycle (local.get $now))
        (local.set $due (call $nextDue))))
      (local.set $now (i32.add (local.get $now) (i32.const 1)))
      (br_if $step (i32.le_s (local.get $due) (local.get $now)))
      (if (i32.ge_s (local.get $nextSlot) (local.get $due)) (then
        (local.set $now (local.get $due))
        (br $step)))
      (if (i32.lt_s (global.get $inFlight) (global.get $queueEntries)) (then
        (local.set $now (local.get $nextSlot))
        (br $step)))
      (if (i32.ne (local.get $due) (i32.const 0x7fffffff)) (then
        ;; Slots that find the buffer full on the way are drops.
        (local.set $slots (i32.div_s
          (i32.add (i32.sub (local.get $due) (local.get $nextSlot)) (i32.sub (global.get $interval) (i32.const 1)))
          (global.get $interval)))
        (i64.store (i32.const 1032) (i64.add (i64.load (i32.const 1032)) (i64.extend_i32_s (local.get $slots))))
        (local.set $nextSlot (i32.add (local.get $nextSlot) (i32.mul (local.get $slots) (global.get $interval))))
        (local.set $now (local.get $due))
        (br $step))))
    (global.set $now (local.get $now))
    (i32.const 1))

  ;; The trace has ended, which is noticed at a slot with room: what is left of a packet still goes out. Results as of `run`.
  (func (export "finish") (result i32)
    (local $due i32)
    (block $issued
      (loop $rest
        (br_if $issued (i32.ge_s (global.get $position) (global.get $length)))
        (call $issue (global.get $now))
        (br $rest)))
    (block $drained
      (loop $step
        (br_if $drained (i32.eqz (global.get $inFlight)))
        (local.set $due (call $nextDue))
        (if (i32.eq (local.get $due) (i32.const 0x7fffffff)) (then (return (i32.const 1))))
        (if (i32.gt_s (local.get $due) (global.get $now)) (then (global.set $now (local.get $due))))
        (call $cycle (global.get $now))
        (global.set $now (i32.add (global.get $now) (i32.const 1)))
        (br $step)))
    (i32.const 0)))
