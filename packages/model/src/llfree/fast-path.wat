;; LLFree's quick road for single frames on memory that threads share: wordsFastPath() of fast-path.ts, access by access, with WebAssembly's
;; atomics (a compare-and-swap costs a sixth of JavaScript's). `node scripts/wasm.mjs` turns it into fast-path-wasm-code.ts.
;;
;; Positions are byte offsets. Bits of the words are those of layout.ts:
;;   reservation: present 0x1, free frames 0x3ffe (one frame is 2), tree from bit 14; the row to search from lies in the next word
;;   child: free frames 0x3ff, taken as a huge frame 0x400
;;   tree: free frames 0xfffff, of 4096; kind 0xe00000, that of wholly free trees is 2 << 21
;; Loads are plain where a compare-and-swap confirms what was read.
(module
  (import "llfree" "memory" (memory 1 65536 shared))
  (import "llfree" "rows" (global $rows i32))
  (import "llfree" "children" (global $children i32))
  (import "llfree" "trees" (global $trees i32))

  (func $giveToReservation (param $local i32) (param $tree i32) (result i32)
    (local $old i32)
    (loop $again
      (local.set $old (i32.load (local.get $local)))
      (if (i32.eqz (i32.and (local.get $old) (i32.const 1))) (then (return (i32.const 0))))
      (if (i32.ne (i32.shr_u (local.get $old) (i32.const 14)) (local.get $tree)) (then (return (i32.const 0))))
      (br_if $again (i32.ne (local.get $old)
        (i32.atomic.rmw.cmpxchg (local.get $local) (local.get $old) (i32.add (local.get $old) (i32.const 2))))))
    (i32.const 1))

  ;; The frame that is now taken out of the reservation at $local, or -1 with nothing changed.
  (func (export "get") (param $local i32) (result i32)
    (local $old i32) (local $tree i32) (local $row i32) (local $child i32) (local $childAt i32)
    (local $field i32) (local $word i32) (local $tried i32) (local $bit i32) (local $frame i32)
    (loop $again
      (local.set $old (i32.load (local.get $local)))
      (if (i32.eqz (i32.and (local.get $old) (i32.const 1))) (then (return (i32.const -1))))
      (if (i32.eqz (i32.and (local.get $old) (i32.const 0x3ffe))) (then (return (i32.const -1))))
      (br_if $again (i32.ne (local.get $old)
        (i32.atomic.rmw.cmpxchg (local.get $local) (local.get $old) (i32.sub (local.get $old) (i32.const 2))))))
    (local.set $tree (i32.shr_u (local.get $old) (i32.const 14)))
    (local.set $row (i32.load offset=4 (local.get $local)))
    (if (i32.ne (i32.shr_s (local.get $row) (i32.const 6)) (local.get $tree))
      (then (local.set $row (i32.shl (local.get $tree) (i32.const 6)))))
    (local.set $child (i32.shr_s (local.get $row) (i32.const 3)))
    (local.set $childAt (i32.add (global.get $children) (i32.shl (local.get $child) (i32.const 2))))
    (block $noFrame
      (loop $again
        (local.set $old (i32.load (local.get $childAt)))
        (br_if $noFrame (i32.and (local.get $old) (i32.const 0x400)))
        (br_if $noFrame (i32.eqz (i32.and (local.get $old) (i32.const 0x3ff))))
        (br_if $again (i32.ne (local.get $old)
          (i32.atomic.rmw.cmpxchg (local.get $childAt) (local.get $old) (i32.sub (local.get $old) (i32.const 1))))))
      (local.set $field (i32.add (global.get $rows) (i32.shl (local.get $child) (i32.const 6))))
      (local.set $word (i32.shl (i32.and (local.get $row) (i32.const 7)) (i32.const 3)))
      (loop $search
        (local.set $old (i32.load (i32.add (local.get $field) (local.get $word))))
        (if (i32.ne (local.get $old) (i32.const -1)) (then
          (local.set $bit (i32.ctz (i32.xor (local.get $old) (i32.const -1))))
          (br_if $search (i32.ne (local.get $old) (i32.atomic.rmw.cmpxchg
            (i32.add (local.get $field) (local.get $word)) (local.get $old)
            (i32.or (local.get $old) (i32.shl (i32.const 1) (local.get $bit))))))
          (local.set $frame (i32.add (i32.add
            (i32.shl (local.get $child) (i32.const 9)) (i32.shl (local.get $word) (i32.const 3))) (local.get $bit)))
          (if (i32.ne (i32.shr_s (local.get $frame) (i32.const 6)) (local.get $row)) (then
            (i32.atomic.store offset=4 (local.get $local) (i32.shr_s (local.get $frame) (i32.const 6)))))
          (return (local.get $frame))))
        (local.set $word (i32.and (i32.add (local.get $word) (i32.const 4)) (i32.const 63)))
        (local.set $tried (i32.add (local.get $tried) (i32.const 1)))
        (br_if $search (i32.lt_u (local.get $tried) (i32.const 16))))
      (drop (i32.atomic.rmw.add (local.get $childAt) (i32.const 1))))
    (if (i32.eqz (call $giveToReservation (local.get $local) (local.get $tree))) (then
      (drop (i32.atomic.rmw.add
        (i32.add (global.get $trees) (i32.shl (local.get $tree) (i32.const 2))) (i32.const 1)))))
    (i32.const -1))

  ;; Clears the frame's bit and counts it in its child; 0 with nothing changed if it is not taken by itself.
  (func $release (param $frame i32) (result i32)
    (local $childAt i32) (local $wordAt i32) (local $mask i32) (local $old i32)
    (local.set $childAt (i32.add (global.get $children)
      (i32.shl (i32.shr_u (local.get $frame) (i32.const 9)) (i32.const 2))))
    (if (i32.and (i32.load (local.get $childAt)) (i32.const 0x400)) (then (return (i32.const 0))))
    (local.set $wordAt (i32.add (global.get $rows) (i32.shl (i32.shr_u (local.get $frame) (i32.const 5)) (i32.const 2))))
    (local.set $mask (i32.shl (i32.const 1) (local.get $frame)))
    (loop $again
      (local.set $old (i32.load (local.get $wordAt)))
      (if (i32.eqz (i32.and (local.get $old) (local.get $mask))) (then (return (i32.const 0))))
      (br_if $again (i32.ne (local.get $old) (i32.atomic.rmw.cmpxchg
        (local.get $wordAt) (local.get $old) (i32.xor (local.get $old) (local.get $mask))))))
    (drop (i32.atomic.rmw.add (local.get $childAt) (i32.const 1)))
    (i32.const 1))

  (func (export "putToTree") (param $frame i32) (param $local i32) (result i32)
    (if (i32.eqz (call $release (local.get $frame))) (then (return (i32.const 0))))
    (drop (i32.atomic.rmw.add (i32.add (global.get $trees)
      (i32.shl (i32.shr_u (local.get $frame) (i32.const 12)) (i32.const 2))) (i32.const 1)))
    (i32.const 1))

  (func (export "putToReservation") (param $frame i32) (param $local i32) (result i32)
    (local $tree i32) (local $at i32) (local $old i32) (local $next i32)
    (if (i32.eqz (call $release (local.get $frame))) (then (return (i32.const 0))))
    (local.set $tree (i32.shr_u (local.get $frame) (i32.const 12)))
    (if (call $giveToReservation (local.get $local) (local.get $tree)) (then (return (i32.const 1))))
    (local.set $at (i32.add (global.get $trees) (i32.shl (local.get $tree) (i32.const 2))))
    (loop $again
      (local.set $old (i32.load (local.get $at)))
      (local.set $next (i32.add (local.get $old) (i32.const 1)))
      (if (i32.eq (i32.and (local.get $next) (i32.const 0xfffff)) (i32.const 4096)) (then
        (local.set $next (i32.or (i32.and (local.get $next) (i32.const 0xff1fffff)) (i32.const 0x400000)))))
      (br_if $again (i32.ne (local.get $old)
        (i32.atomic.rmw.cmpxchg (local.get $at) (local.get $old) (local.get $next)))))
    (i32.const 1))
)
