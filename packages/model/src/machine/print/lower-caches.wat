;; The second and the last level of caches under least-recently-used replacement, of up to 16 ways: what is behind a miss of the first level.
;; Most accesses that come here miss, and a set is then searched in vain from end to end: so the lowest 8 bits of all its tags stand side by
;; side and are compared by one instruction, and a set's order of use is one number, so that a miss moves nothing else.
;;
;; A set is a row of bytes:
;;   0             ways bytes: the lowest 8 bits of the tag held in each way
;;   ways          8 bytes: its order of use, 4 bits per way, the most recently used lowest
;;   ways + 8      4 bytes per way: the rest of the tag (below 2^30), 2^31 - 1 when empty; the highest bit says that the line is to be kept
;;
;; Numbers of each geometry, which become part of the code: first byte, sets, their logarithm or -1, ways, bytes of a row, and how often another
;; victim is asked for when it is a line that is to be kept (0 = the cache does not lean). @inline
;; @constant l2Base l2Sets l2Shift l2Ways l2Stride l2Attempts
;; @constant llcBase llcSets llcShift llcWays llcStride llcAttempts
(module
  (import "env" "memory" (memory 1))
  (global $l2Base (export "l2Base") (mut i32) (i32.const 0))
  (global $l2Sets (export "l2Sets") (mut i32) (i32.const 0))
  (global $l2Shift (export "l2Shift") (mut i32) (i32.const 0))
  (global $l2Ways (export "l2Ways") (mut i32) (i32.const 0))
  (global $l2Stride (export "l2Stride") (mut i32) (i32.const 0))
  (global $l2Attempts (export "l2Attempts") (mut i32) (i32.const 0))
  (global $llcBase (export "llcBase") (mut i32) (i32.const 0))
  (global $llcSets (export "llcSets") (mut i32) (i32.const 0))
  (global $llcShift (export "llcShift") (mut i32) (i32.const 0))
  (global $llcWays (export "llcWays") (mut i32) (i32.const 0))
  (global $llcStride (export "llcStride") (mut i32) (i32.const 0))
  (global $llcAttempts (export "llcAttempts") (mut i32) (i32.const 0))
  ;; Translation is under pressure: leaning caches lean.
  (global $pressed (mut i32) (i32.const 0))

  (func (export "press") (param $pressed i32) (global.set $pressed (local.get $pressed)))

  ;; Empties the sets of a cache.
  (func (export "clear") (param $row i32) (param $rows i32) (param $stride i32) (param $ways i32)
    (local $way i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $rows)))
        (i64.store (i32.add (local.get $row) (local.get $ways))
          (i64.and (i64.const 0xfedcba9876543210) (call $orderMask (local.get $ways))))
        (local.set $way (i32.const 0))
        (loop $word
          (i32.store8 (i32.add (local.get $row) (local.get $way)) (i32.const 0))
          (i32.store (call $wordAt (local.get $row) (local.get $ways) (local.get $way)) (i32.const 0x7fffffff))
          (local.set $way (i32.add (local.get $way) (i32.const 1)))
          (br_if $word (i32.lt_u (local.get $way) (local.get $ways))))
        (local.set $row (i32.add (local.get $row) (local.get $stride)))
        (local.set $rows (i32.sub (local.get $rows) (i32.const 1)))
        (br $next))))

  ;; The bits of an order of use.
  (func $orderMask (param $ways i32) (result i64)
    (i64.shr_u (i64.const -1) (i64.extend_i32_u (i32.sub (i32.const 64) (i32.shl (local.get $ways) (i32.const 2))))))

  (func $wordAt (param $row i32) (param $ways i32) (param $way i32) (result i32)
    (i32.add (i32.add (local.get $row) (i32.const 8))
      (i32.add (local.get $ways) (i32.shl (local.get $way) (i32.const 2)))))

  ;; What is left of a line number beside its set.
  (func $tagOf (param $line i64) (param $sets i32) (param $shift i32) (result i64)
    (if (result i64) (i32.ge_s (local.get $shift) (i32.const 0))
      (then (i64.shr_u (local.get $line) (i64.extend_i32_u (local.get $shift))))
      (else (i64.div_u (local.get $line) (i64.extend_i32_u (local.get $sets))))))

  ;; 1 on a hit; else the line is placed.
  (func $touch
    (param $base i32) (param $sets i32) (param $shift i32) (param $ways i32) (param $stride i32) (param $attempts i32)
    (param $instance i32) (param $line i64) (param $kept i32) (result i32)
    (local $tag i64) (local $row i32) (local $low i32) (local $rest i32) (local $found i32) (local $way i32) (local $at i32)
    (local $order i64) (local $place i64) (local $oldest i64)
    (local.set $tag (call $tagOf (local.get $line) (local.get $sets) (local.get $shift)))
    (local.set $row
      (i32.add (local.get $base)
        (i32.mul (local.get $stride)
          (i32.add (i32.mul (local.get $instance) (local.get $sets))
            (i32.sub (i32.wrap_i64 (local.get $line))
              (i32.mul (i32.wrap_i64 (local.get $tag)) (local.get $sets)))))))
    (local.set $low (i32.wrap_i64 (local.get $tag)))
    (local.set $rest (i32.wrap_i64 (i64.shr_u (local.get $tag) (i64.const 8))))
    (local.set $kept (i32.shl (local.get $kept) (i32.const 31)))
    (local.set $order (i64.load align=1 (i32.add (local.get $row) (local.get $ways))))
    (local.set $found
      (i32.and
        (i8x16.bitmask (i8x16.eq (i8x16.splat (local.get $low)) (v128.load align=1 (local.get $row))))
        (i32.sub (i32.shl (i32.const 1) (local.get $ways)) (i32.const 1))))
    (block $missed
      (loop $candidate
        (br_if $missed (i32.eqz (local.get $found)))
        (local.set $way (i32.ctz (local.get $found)))
        (local.set $at (call $wordAt (local.get $row) (local.get $ways) (local.get $way)))
        (if (i32.ne (i32.and (i32.load align=1 (local.get $at)) (i32.const 0x7fffffff)) (local.get $rest))
          (then
            (local.set $found (i32.and (local.get $found) (i32.sub (local.get $found) (i32.const 1))))
            (br $candidate))))
      (if (local.get $kept)
        (then (i32.store align=1 (local.get $at) (i32.or (i32.load align=1 (local.get $at)) (local.get $kept)))))
      ;; Where it stands in the order: the lowest 4 bits that are its number. Those below move up by one place.
      (local.set $place (i64.xor (local.get $order)
        (i64.mul (i64.extend_i32_u (local.get $way)) (i64.const 0x1111111111111111))))
      (local.set $place
        (i64.sub
          (i64.ctz (i64.and
            (i64.and (i64.sub (local.get $place) (i64.const 0x1111111111111111))
              (i64.xor (local.get $place) (i64.const -1)))
            (i64.const 0x8888888888888888)))
          (i64.const 3)))
      (i64.store align=1 (i32.add (local.get $row) (local.get $ways))
        (i64.or
          (i64.and (local.get $order) (i64.shl (i64.const -16) (local.get $place)))
          (i64.or
            (i64.shl
              (i64.and (local.get $order) (i64.sub (i64.shl (i64.const 1) (local.get $place)) (i64.const 1)))
              (i64.const 4))
            (i64.extend_i32_u (local.get $way)))))
      (return (i32.const 1)))
    (local.set $oldest (i64.extend_i32_u (i32.shl (i32.sub (local.get $ways) (i32.const 1)) (i32.const 2))))
    ;; The order turns, so that its oldest is its newest: the victim, or a line that is spared.
    (local.set $attempts (select (local.get $attempts) (i32.const 0) (global.get $pressed)))
    (loop $again
      (local.set $way (i32.and (i32.const 15) (i32.wrap_i64 (i64.shr_u (local.get $order) (local.get $oldest)))))
      (local.set $order
        (i64.or (i64.shl (local.get $order) (i64.const 4)) (i64.extend_i32_u (local.get $way))))
      (local.set $at (call $wordAt (local.get $row) (local.get $ways) (local.get $way)))
      (if (local.get $attempts)
        (then
          (local.set $attempts (i32.sub (local.get $attempts) (i32.const 1)))
          (br_if $again (i32.lt_s (i32.load align=1 (local.get $at)) (i32.const 0))))))
    (i64.store align=1 (i32.add (local.get $row) (local.get $ways))
      (i64.and (local.get $order) (call $orderMask (local.get $ways))))
    (i32.store8 (i32.add (local.get $row) (local.get $way)) (local.get $low))
    (i32.store align=1 (local.get $at) (i32.or (local.get $rest) (local.get $kept)))
    (i32.const 0))

  ;; Where the caches answer: 2, 3, or 0 for memory. Counted in the number at byte 8 * (2 * kind + answer); kinds are even.
  (func $answer (param $l2Instance i32) (param $llcInstance i32) (param $line i64) (param $kind i32) (param $kept i32) (result i32)
    (local $level i32) (local $count i32)
    (local.set $level
      (if (result i32)
        (call $touch (global.get $l2Base) (global.get $l2Sets) (global.get $l2Shift) (global.get $l2Ways)
          (global.get $l2Stride) (global.get $l2Attempts)
          (local.get $l2Instance) (local.get $line) (local.get $kept))
        (then (i32.const 2))
        (else
          (i32.mul (i32.const 3)
            (call $touch (global.get $llcBase) (global.get $llcSets) (global.get $llcShift) (global.get $llcWays)
              (global.get $llcStride) (global.get $llcAttempts)
              (local.get $llcInstance) (local.get $line) (local.get $kept))))))
    (local.set $count
      (i32.shl (i32.add (i32.shl (local.get $kind) (i32.const 1)) (local.get $level)) (i32.const 3)))
    (f64.store (local.get $count) (f64.add (f64.load (local.get $count)) (f64.const 1)))
    (local.get $level))

  ;; Reads the rows of the last level that accesses to these lines and the next ones will search (the numbers from byte `at` up to `end`), and
  ;; changes nothing: nothing waits for one of these reads, so the machine that simulates makes them all at once. The second level stays
  ;; in its caches anyway.
  (func (export "readAhead") (param $at i32) (param $end i32) (result i32)
    (local $line i64) (local $tag i64) (local $row i32) (local $sum i32)
    (loop $next
      (local.set $line (i64.trunc_f64_s (f64.load (local.get $at))))
      (local.set $tag (call $tagOf (local.get $line) (global.get $llcSets) (global.get $llcShift)))
      (local.set $row
        (i32.add (global.get $llcBase)
          (i32.mul (global.get $llcStride)
            (i32.sub (i32.wrap_i64 (local.get $line))
              (i32.mul (i32.wrap_i64 (local.get $tag)) (global.get $llcSets))))))
      ;; Behind the last row there is memory as well.
      (local.set $sum
        (i32.xor (local.get $sum)
          (i32.xor (i32.load (local.get $row)) (i32.load (i32.add (local.get $row) (global.get $llcStride))))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $sum))

  ;; An access of `kind` (0, 2 or 4, as everywhere), and if bit 3 of `how` is set the prefetch of the next line after it; bits 0 to 2 are the
  ;; kind, bits 4 and 5 say whether the line and the next one are to be kept.
  (func (export "below") (param $l2Instance i32) (param $llcInstance i32) (param $at f64) (param $how i32) (result i32)
    (local $line i64) (local $level i32)
    (local.set $line (i64.trunc_f64_s (local.get $at)))
    (local.set $level
      (call $answer (local.get $l2Instance) (local.get $llcInstance) (local.get $line)
        (i32.and (local.get $how) (i32.const 7))
        (i32.and (i32.shr_u (local.get $how) (i32.const 4)) (i32.const 1))))
    (if (i32.and (local.get $how) (i32.const 8))
      (then
        (drop (call $answer (local.get $l2Instance) (local.get $llcInstance)
          (i64.add (local.get $line) (i64.const 1)) (i32.const 4) (i32.shr_u (local.get $how) (i32.const 5))))))
    (local.get $level)))
