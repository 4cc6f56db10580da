;; The loops over the rows of a chunk (payload.ts says what its planes hold), and the count of kinds. `node scripts/wasm.mjs` turns them into
;; rows-wasm-code.ts; rows.ts lays the memory out and names each word of the state.
;;
;; Nothing here is trusted: whatever a damaged plane says, registers, forms and slots are masked, cursors move at most four bytes a row, and
;; the memory reaches that far behind the planes.
(module
  (import "rows" "memory" (memory 1))
  ;; Words of 32 bits: where each plane is read, the current run.
  (import "rows" "state" (global $state i32))
  ;; Per form, a word: kind, offset of its first register in bytes, size (16 bits).
  (import "rows" "forms" (global $forms i32))
  ;; Per slot, 8 bytes: the last physical page.
  (import "rows" "frames" (global $frames i32))
  ;; The decoded columns.
  (import "rows" "lo" (global $lo i32))
  (import "rows" "hi" (global $hi i32))
  (import "rows" "kind" (global $kind i32))
  (import "rows" "size" (global $size i32))
  (import "rows" "thread" (global $thread i32))
  (import "rows" "process" (global $process i32))
  (import "rows" "pcLo" (global $pcLo i32))
  (import "rows" "pcHi" (global $pcHi i32))
  (import "rows" "physicalLo" (global $physicalLo i32))
  (import "rows" "physicalHi" (global $physicalHi i32))
  ;; Kinds to count, and four tables of 256 words.
  (import "rows" "kinds" (global $kinds i32))
  (import "rows" "counts" (global $counts i32))

  ;; Addresses, kinds and sizes of the rows from $row to $end of one lane, whose registers lie at $registers.
  (func $addresses (param $row i32) (param $end i32) (param $registers i32)
    (local $codes i32) (local $formsOf i32) (local $near i32) (local $medium i32) (local $far i32) (local $absoluteLo i32) (local $absoluteHi i32)
    (local $code i32) (local $info i32) (local $register i32) (local $class i32) (local $address i64)
    (local $loAt i32) (local $hiAt i32) (local $kindAt i32) (local $sizeAt i32) (local $left i32)
    (local.set $codes (i32.load offset=0 (global.get $state)))
    (local.set $formsOf (i32.load offset=4 (global.get $state)))
    (local.set $near (i32.load offset=8 (global.get $state)))
    (local.set $medium (i32.load offset=12 (global.get $state)))
    (local.set $far (i32.load offset=16 (global.get $state)))
    (local.set $absoluteLo (i32.load offset=20 (global.get $state)))
    (local.set $absoluteHi (i32.load offset=24 (global.get $state)))
    (local.set $loAt (i32.add (global.get $lo) (i32.shl (local.get $row) (i32.const 2))))
    (local.set $hiAt (i32.add (global.get $hi) (i32.shl (local.get $row) (i32.const 2))))
    (local.set $kindAt (i32.add (global.get $kind) (local.get $row)))
    (local.set $sizeAt (i32.add (global.get $size) (i32.shl (local.get $row) (i32.const 1))))
    (local.set $left (i32.sub (local.get $end) (local.get $row)))
    (if (i32.eqz (local.get $left)) (then (return)))
    (loop $next
      (local.set $code (i32.load8_u (local.get $codes)))
      (local.set $info (i32.load (i32.add (global.get $forms) (i32.shl (i32.load8_u (local.get $formsOf)) (i32.const 2)))))
      (local.set $register (i32.add (local.get $registers) (i32.add
        (i32.and (i32.shr_u (local.get $info) (i32.const 8)) (i32.const 0x40))
        (i32.shl (i32.and (local.get $code) (i32.const 7)) (i32.const 3)))))
      (local.set $address (i64.load (local.get $register)))
      (local.set $class (i32.and (i32.shr_u (local.get $code) (i32.const 3)) (i32.const 7)))
      (if (local.get $class) (then
        (block $done
          (block $isFar (block $isAbsolute (block $isMedium (block $isNear
            (br_table $isNear $isNear $isMedium $isFar $isAbsolute $isFar (local.get $class)))
            ;; near
            (local.set $address (i64.add (local.get $address) (i64.load8_s (local.get $near))))
            (local.set $near (i32.add (local.get $near) (i32.const 1)))
            (br $done))
            ;; medium
            (local.set $address (i64.add (local.get $address) (i64.load16_s (local.get $medium))))
            (local.set $medium (i32.add (local.get $medium) (i32.const 2)))
            (br $done))
            ;; absolute
            (local.set $address (i64.or (i64.load32_u (local.get $absoluteLo))
              (i64.shl (i64.load32_u (local.get $absoluteHi)) (i64.const 32))))
            (local.set $absoluteLo (i32.add (local.get $absoluteLo) (i32.const 4)))
            (local.set $absoluteHi (i32.add (local.get $absoluteHi) (i32.const 4)))
            (br $done))
          ;; far
          (local.set $address (i64.add (local.get $address) (i64.load32_s (local.get $far))))
          (local.set $far (i32.add (local.get $far) (i32.const 4))))))
      (i64.store32 (local.get $loAt) (local.get $address))
      (i64.store32 (local.get $hiAt) (i64.shr_u (local.get $address) (i64.const 32)))
      (i32.store8 (local.get $kindAt) (local.get $info))
      (i32.store16 (local.get $sizeAt) (i32.shr_u (local.get $info) (i32.const 16)))
      (i64.store (local.get $register)
        (i64.add (local.get $address) (i64.extend_i32_u (i32.shr_u (local.get $info) (i32.const 16)))))
      (local.set $codes (i32.add (local.get $codes) (i32.const 1)))
      (local.set $formsOf (i32.add (local.get $formsOf) (i32.const 1)))
      (local.set $loAt (i32.add (local.get $loAt) (i32.const 4)))
      (local.set $hiAt (i32.add (local.get $hiAt) (i32.const 4)))
      (local.set $kindAt (i32.add (local.get $kindAt) (i32.const 1)))
      (local.set $sizeAt (i32.add (local.get $sizeAt) (i32.const 2)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.store offset=0 (global.get $state) (local.get $codes))
    (i32.store offset=4 (global.get $state) (local.get $formsOf))
    (i32.store offset=8 (global.get $state) (local.get $near))
    (i32.store offset=12 (global.get $state) (local.get $medium))
    (i32.store offset=16 (global.get $state) (local.get $far))
    (i32.store offset=20 (global.get $state) (local.get $absoluteLo))
    (i32.store offset=24 (global.get $state) (local.get $absoluteHi)))

  ;; Program counters of the same rows, whose codes begin at $codes; the lane's last one lies at $last.
  (func $programCounters (param $row i32) (param $end i32) (param $codes i32) (param $last i32)
    (local $classes i32) (local $class i32) (local $near i32) (local $medium i32) (local $far i32) (local $absoluteLo i32) (local $absoluteHi i32)
    (local $pc i64) (local $kindOf i32)
    (local.set $classes (i32.load offset=28 (global.get $state)))
    (local.set $near (i32.load offset=32 (global.get $state)))
    (local.set $medium (i32.load offset=36 (global.get $state)))
    (local.set $far (i32.load offset=40 (global.get $state)))
    (local.set $absoluteLo (i32.load offset=44 (global.get $state)))
    (local.set $absoluteHi (i32.load offset=48 (global.get $state)))
    (local.set $pc (i64.load (local.get $last)))
    (block $stop (loop $next
      (br_if $stop (i32.ge_u (local.get $row) (local.get $end)))
      (local.set $kindOf (i32.load8_u (i32.add (global.get $kind) (local.get $row))))
      ;; Instructions are their own program counter; their forms have the second set of registers.
      (if (i32.or (i32.eq (local.get $kindOf) (i32.load offset=88 (global.get $state)))
                  (i32.eq (local.get $kindOf) (i32.load offset=92 (global.get $state)))) (then
        (local.set $pc (i64.or
          (i64.load32_u (i32.add (global.get $lo) (i32.shl (local.get $row) (i32.const 2))))
          (i64.shl (i64.load32_u (i32.add (global.get $hi) (i32.shl (local.get $row) (i32.const 2)))) (i64.const 32))))))
      (if (i32.and (i32.load8_u (local.get $codes)) (i32.const 0x40)) (then
        (local.set $class (i32.load8_u (local.get $classes)))
        (local.set $classes (i32.add (local.get $classes) (i32.const 1)))
        (block $done
          (if (i32.eq (local.get $class) (i32.const 4)) (then
            (local.set $pc (i64.or (i64.load32_u (local.get $absoluteLo))
              (i64.shl (i64.load32_u (local.get $absoluteHi)) (i64.const 32))))
            (local.set $absoluteLo (i32.add (local.get $absoluteLo) (i32.const 4)))
            (local.set $absoluteHi (i32.add (local.get $absoluteHi) (i32.const 4)))
            (br $done)))
          (if (i32.eq (local.get $class) (i32.const 1)) (then
            (local.set $pc (i64.add (local.get $pc) (i64.load8_s (local.get $near))))
            (local.set $near (i32.add (local.get $near) (i32.const 1)))
            (br $done)))
          (if (i32.eq (local.get $class) (i32.const 2)) (then
            (local.set $pc (i64.add (local.get $pc) (i64.load16_s (local.get $medium))))
            (local.set $medium (i32.add (local.get $medium) (i32.const 2)))
            (br $done)))
          (local.set $pc (i64.add (local.get $pc) (i64.load32_s (local.get $far))))
          (local.set $far (i32.add (local.get $far) (i32.const 4))))))
      (i64.store32 (i32.add (global.get $pcLo) (i32.shl (local.get $row) (i32.const 2))) (local.get $pc))
      (i64.store32 (i32.add (global.get $pcHi) (i32.shl (local.get $row) (i32.const 2)))
        (i64.shr_u (local.get $pc) (i64.const 32)))
      (local.set $codes (i32.add (local.get $codes) (i32.const 1)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i64.store (local.get $last) (local.get $pc))
    (i32.store offset=28 (global.get $state) (local.get $classes))
    (i32.store offset=32 (global.get $state) (local.get $near))
    (i32.store offset=36 (global.get $state) (local.get $medium))
    (i32.store offset=40 (global.get $state) (local.get $far))
    (i32.store offset=44 (global.get $state) (local.get $absoluteLo))
    (i32.store offset=48 (global.get $state) (local.get $absoluteHi)))

  ;; Physical addresses of the same rows: recorded ones, or the last page of the virtual page.
  (func $physical (param $row i32) (param $end i32) (param $codes i32) (param $processNumber i32)
    (local $recordedLo i32) (local $recordedHi i32) (local $salt i32) (local $lower i32) (local $slot i32) (local $to i64)
    (local.set $recordedLo (i32.load offset=52 (global.get $state)))
    (local.set $recordedHi (i32.load offset=56 (global.get $state)))
    (local.set $salt (i32.mul (local.get $processNumber) (i32.const 0x9e5)))
    (block $stop (loop $next
      (br_if $stop (i32.ge_u (local.get $row) (local.get $end)))
      (local.set $lower (i32.load (i32.add (global.get $lo) (i32.shl (local.get $row) (i32.const 2)))))
      (local.set $slot (i32.add (global.get $frames) (i32.shl (i32.and (i32.xor (i32.xor
        (i32.shr_u (local.get $lower) (i32.const 12))
        (i32.shl (i32.load (i32.add (global.get $hi) (i32.shl (local.get $row) (i32.const 2)))) (i32.const 7)))
        (local.get $salt)) (i32.const 16383)) (i32.const 3))))
      (if (i32.and (i32.load8_u (local.get $codes)) (i32.const 0x80))
        (then
          (local.set $to (i64.or (i64.load32_u (local.get $recordedLo))
            (i64.shl (i64.load32_u (local.get $recordedHi)) (i64.const 32))))
          (local.set $recordedLo (i32.add (local.get $recordedLo) (i32.const 4)))
          (local.set $recordedHi (i32.add (local.get $recordedHi) (i32.const 4)))
          (i64.store (local.get $slot) (i64.and (local.get $to) (i64.const -4096))))
        (else
          (local.set $to (i64.or (i64.load (local.get $slot))
            (i64.extend_i32_u (i32.and (local.get $lower) (i32.const 4095)))))))
      (i64.store32 (i32.add (global.get $physicalLo) (i32.shl (local.get $row) (i32.const 2))) (local.get $to))
      (i64.store32 (i32.add (global.get $physicalHi) (i32.shl (local.get $row) (i32.const 2)))
        (i64.shr_u (local.get $to) (i64.const 32)))
      (local.set $codes (i32.add (local.get $codes) (i32.const 1)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next)))
    (i32.store offset=52 (global.get $state) (local.get $recordedLo))
    (i32.store offset=56 (global.get $state) (local.get $recordedHi)))

  ;; A number of seven bits a byte, lowest first, of the plane of runs. -1 when the plane ends, -2 when the number does not.
  (func $varint (result i32)
    (local $value i32) (local $shift i32) (local $byte i32) (local $at i32)
    (local.set $at (i32.load offset=60 (global.get $state)))
    (loop $next
      (if (i32.ge_u (local.get $at) (i32.load offset=64 (global.get $state))) (then (return (i32.const -1))))
      (local.set $byte (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $value (i32.or (local.get $value)
        (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (if (i32.lt_u (local.get $byte) (i32.const 128)) (then
        (i32.store offset=60 (global.get $state) (local.get $at))
        (return (local.get $value))))
      (br_if $next (i32.lt_u (local.tee $shift (i32.add (local.get $shift) (i32.const 7))) (i32.const 28))))
    (i32.const -2))

  ;; $value in the 16-bit column at $column, from $row to $end.
  (func $fill (param $column i32) (param $row i32) (param $end i32) (param $value i32)
    (local.set $column (i32.add (local.get $column) (i32.shl (local.get $row) (i32.const 1))))
    (block $stop (loop $next
      (br_if $stop (i32.ge_u (local.get $row) (local.get $end)))
      (i32.store16 (local.get $column) (local.get $value))
      (local.set $column (i32.add (local.get $column) (i32.const 2)))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br $next))))

  ;; The next $rows rows. 0, or what is wrong with the runs: -1 they end early, -2 a number is too long, -3 a lane that is not in the table.
  (func (export "decode") (param $rows i32) (param $pc i32) (param $physical i32) (result i32)
    (local $done i32) (local $end i32) (local $left i32) (local $lane i32) (local $registers i32) (local $codes i32) (local $processNumber i32)
    (local.set $lane (i32.load offset=68 (global.get $state)))
    (local.set $left (i32.load offset=72 (global.get $state)))
    (block $stop (loop $next
      (br_if $stop (i32.ge_u (local.get $done) (local.get $rows)))
      (if (i32.eqz (local.get $left)) (then
        (if (i32.lt_s (local.tee $lane (call $varint)) (i32.const 0)) (then (return (local.get $lane))))
        (if (i32.lt_s (local.tee $left (call $varint)) (i32.const 0)) (then (return (local.get $left))))
        (if (i32.or (i32.eqz (local.get $left)) (i32.ge_u (local.get $lane) (i32.load offset=76 (global.get $state))))
          (then (return (i32.const -3))))))
      (local.set $end (select (local.get $rows) (i32.add (local.get $done) (local.get $left))
        (i32.lt_u (i32.sub (local.get $rows) (local.get $done)) (local.get $left))))
      ;; 16 registers and the program counter, 8 bytes each.
      (local.set $registers (i32.add (i32.load offset=84 (global.get $state)) (i32.mul (local.get $lane) (i32.const 136))))
      (local.set $codes (i32.load offset=0 (global.get $state)))
      (local.set $processNumber (i32.load16_u offset=2
        (i32.add (i32.load offset=80 (global.get $state)) (i32.shl (local.get $lane) (i32.const 2)))))
      (call $fill (global.get $thread) (local.get $done) (local.get $end) (i32.load16_u
        (i32.add (i32.load offset=80 (global.get $state)) (i32.shl (local.get $lane) (i32.const 2)))))
      (call $fill (global.get $process) (local.get $done) (local.get $end) (local.get $processNumber))
      (call $addresses (local.get $done) (local.get $end) (local.get $registers))
      (if (local.get $pc) (then
        (call $programCounters (local.get $done) (local.get $end) (local.get $codes)
          (i32.add (local.get $registers) (i32.const 128)))))
      (if (local.get $physical) (then
        (call $physical (local.get $done) (local.get $end) (local.get $codes) (local.get $processNumber))))
      (local.set $left (i32.sub (local.get $left) (i32.sub (local.get $end) (local.get $done))))
      (local.set $done (local.get $end))
      (br $next)))
    (i32.store offset=68 (global.get $state) (local.get $lane))
    (i32.store offset=72 (global.get $state) (local.get $left))
    (i32.const 0))

  ;; Counts $length kinds, a multiple of four. Four tables, since an increment has to wait for the one before in the same place.
  (func (export "count") (param $length i32)
    (local $at i32) (local $end i32) (local $word i32) (local $cell i32)
    (local.set $at (global.get $kinds))
    (local.set $end (i32.add (local.get $at) (local.get $length)))
    (block $stop (loop $next
      (br_if $stop (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $word (i32.load (local.get $at)))
      (local.set $cell (i32.add (global.get $counts) (i32.shl (i32.and (local.get $word) (i32.const 255)) (i32.const 2))))
      (i32.store (local.get $cell) (i32.add (i32.load (local.get $cell)) (i32.const 1)))
      (local.set $cell (i32.add (global.get $counts) (i32.and (i32.shr_u (local.get $word) (i32.const 6)) (i32.const 0x3fc))))
      (i32.store offset=1024 (local.get $cell) (i32.add (i32.load offset=1024 (local.get $cell)) (i32.const 1)))
      (local.set $cell (i32.add (global.get $counts) (i32.and (i32.shr_u (local.get $word) (i32.const 14)) (i32.const 0x3fc))))
      (i32.store offset=2048 (local.get $cell) (i32.add (i32.load offset=2048 (local.get $cell)) (i32.const 1)))
      (local.set $cell (i32.add (global.get $counts) (i32.shl (i32.shr_u (local.get $word) (i32.const 24)) (i32.const 2))))
      (i32.store offset=3072 (local.get $cell) (i32.add (i32.load offset=3072 (local.get $cell)) (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br $next)))))
