;; What the runtimes of Go and TinyGo want of an operating system, `wasi_snapshot_preview1`, made of the
;; contract's own `log`, `clock` and `random`. A component made with it imports no WASI.
;;
;; One rule decides everything here: while the host passes text into the guest it runs the guest's
;; `cabi_realloc`, and a call to the host from there is a trap. In Go anything may run there: the collector
;; reads the clock, the scheduler polls, a goroutine that was left over prints. So the SDK says when the host
;; may be called (`polyreme_outside`), and at all other times nothing here calls it: the clock is where it was
;; read last, output waits in a buffer, random numbers come from the generator's state.
;;
;; Time. The wall clock is the host's at every read that may ask, so `time.Now()` is right. The monotonic
;; clock is virtual: it advances with the wall clock, by a microsecond a read, and by what is slept. A sleep
;; therefore takes no time, and timers fire as soon as nothing else can run.
;;
;; Output. Lines of stdout reach the host's log as `info`, those of stderr as `warn`, and those of stderr that
;; begin with `panic: ` or `fatal error: ` as `error`: the host quotes the last error when it reports the trap
;; that follows. The stack comes after such a line, and Go's runtime does not say when it is through, so lines
;; are never kept back. The buffer is the SDK's (`polyreme_console`): memory taken from here would be memory
;; that the guest's runtime takes as its own.
;;
;; There are no arguments, no environment, no files and no sockets: what asks for them gets an error number.
(module
  (import "env" "memory" (memory 0))
  (import "polyreme:controller/log@VERSION" "log" (func $host_log (param i32 i32 i32 i32 i32)))
  (import "polyreme:controller/clock@VERSION" "now" (func $host_now (result i64)))
  (import "polyreme:controller/random@VERSION" "number" (func $host_number (result i64)))

  ;; Error numbers of preview1.
  (global $badf i32 (i32.const 8))
  (global $notsup i32 (i32.const 58))
  (global $notcapable i32 (i32.const 76))

  ;; Levels of the contract's log.
  (global $info i32 (i32.const 2))
  (global $warn i32 (i32.const 3))
  (global $error i32 (i32.const 4))

  ;; Whether the host may be called. True while the runtime starts, which is before any `cabi_realloc`.
  (global $outside (mut i32) (i32.const 1))
  ;; The host's clock when it was read last; 0 before the first time.
  (global $wall (mut i64) (i64.const 0))
  ;; Not 0, which Go takes for "no time".
  (global $mono (mut i64) (i64.const 1000000000))
  ;; State of the generator, never 0.
  (global $random (mut i64) (i64.const 0x9E3779B97F4A7C15))
  ;; The SDK's buffer, how much of it is used, and the level of what is in it.
  (global $buffer (mut i32) (i32.const 0))
  (global $capacity (mut i32) (i32.const 0))
  (global $used (mut i32) (i32.const 0))
  (global $level (mut i32) (i32.const 2))

  ;; ---- for the SDK ----------------------------------------------------------------------------------------

  ;; Whether the host may be called from now on.
  (func (export "polyreme_outside") (param $allowed i32)
    (global.set $outside (local.get $allowed))
    (if (local.get $allowed) (then
      ;; What was printed meanwhile: whole lines only, unless a line is still being written.
      (if (i32.and (i32.gt_u (global.get $used) (i32.const 0)) (call $ends_line)) (then (call $flush))))))

  ;; Where output is put together to lines.
  (func (export "polyreme_console") (param $buffer i32) (param $capacity i32)
    (global.set $buffer (local.get $buffer))
    (global.set $capacity (local.get $capacity)))

  ;; Logs what has been printed so far, also without the end of its line.
  (func (export "polyreme_flush") (call $flush))

  ;; Ends the instance after the SDK has logged why.
  (func (export "polyreme_abort") unreachable)

  ;; ---- time -----------------------------------------------------------------------------------------------

  (func $read_wall
    (local $now i64)
    (local.set $now (call $host_now))
    ;; The monotonic clock takes part in what passed since the last read, never backwards.
    (if (i32.and (i64.ne (global.get $wall) (i64.const 0)) (i64.gt_u (local.get $now) (global.get $wall)))
      (then (global.set $mono
        (i64.add (global.get $mono) (i64.sub (local.get $now) (global.get $wall))))))
    (global.set $wall (local.get $now)))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $out i32) (result i32)
    (if (i32.eqz (local.get $clock))
      (then
        (if (global.get $outside) (then (call $read_wall)))
        (i64.store (local.get $out) (global.get $wall)))
      (else
        (global.set $mono (i64.add (global.get $mono) (i64.const 1000)))
        (i64.store (local.get $out) (global.get $mono))))
    (i32.const 0))

  (func (export "clock_res_get") (param $clock i32) (param $out i32) (result i32)
    (i64.store (local.get $out) (i64.const 1000))
    (i32.const 0))

  ;; Sleeping: the clock is moved to the earliest end among the subscriptions (48 bytes each: user data, a
  ;; tag that is 0 for clocks at 8, timeout at 24, at 40 whether that is a point in time), and that one event
  ;; is reported. Nothing ever becomes ready to read or write.
  (func (export "poll_oneoff")
    (param $in i32) (param $out i32) (param $count i32) (param $events i32) (result i32)
    (local $earliest i64) (local $end i64) (local $found i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (if (i32.eqz (i32.load8_u offset=8 (local.get $in))) (then
        (local.set $end (i64.load offset=24 (local.get $in)))
        (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $in)) (i32.const 1)))
          (then (local.set $end (i64.add (local.get $end) (global.get $mono)))))
        (if (i32.or (i32.eqz (local.get $found)) (i64.lt_u (local.get $end) (local.get $earliest))) (then
          (local.set $earliest (local.get $end))
          (local.set $found (local.get $in))))))
      (local.set $in (i32.add (local.get $in) (i32.const 48)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (if (i32.eqz (local.get $found)) (then (return (global.get $notsup))))
    (if (i64.gt_u (local.get $earliest) (global.get $mono))
      (then (global.set $mono (local.get $earliest))))
    (i64.store (local.get $out) (i64.load (local.get $found)))
    (i64.store offset=8 (local.get $out) (i64.const 0))
    (i32.store (local.get $events) (i32.const 1))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; ---- chance ---------------------------------------------------------------------------------------------

  ;; xorshift64, stirred with a number of the host's at each call that may ask: for jitter and hashes, not
  ;; for keys.
  (func (export "random_get") (param $out i32) (param $count i32) (result i32)
    (if (global.get $outside) (then
      (global.set $random (i64.or (i64.xor (global.get $random) (call $host_number)) (i64.const 1)))))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
      (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
      (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
      (i32.store8 (local.get $out) (i32.wrap_i64 (i64.shr_u (global.get $random) (i64.const 24))))
      (local.set $out (i32.add (local.get $out) (i32.const 1)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (i32.const 0))

  ;; ---- output ---------------------------------------------------------------------------------------------

  (func (export "fd_write")
    (param $fd i32) (param $vectors i32) (param $count i32) (param $written i32) (result i32)
    (local $length i32) (local $total i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (global.get $badf))))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (local.set $length (i32.load offset=4 (local.get $vectors)))
      (call $print (i32.add (global.get $info) (i32.sub (local.get $fd) (i32.const 1)))
        (i32.load (local.get $vectors)) (local.get $length))
      (local.set $total (i32.add (local.get $total) (local.get $length)))
      (local.set $vectors (i32.add (local.get $vectors) (i32.const 8)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (i32.store (local.get $written) (local.get $total))
    (i32.const 0))

  ;; Appends to the buffer; each whole line is logged as soon as that may be.
  (func $print (param $level i32) (param $text i32) (param $length i32)
    ;; The other stream began: what was on this one is a line.
    (if (i32.ne (local.get $level) (global.get $level)) (then
      (call $flush)
      (global.set $level (local.get $level))))
    (if (i32.eqz (global.get $capacity)) (then
      (call $log (local.get $level) (local.get $text) (local.get $length))
      (return)))
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $length)))
      (if (i32.eq (global.get $used) (global.get $capacity)) (then (call $flush)))
      ;; Full, and the host cannot be told now: the rest is lost.
      (br_if $done (i32.eq (global.get $used) (global.get $capacity)))
      (i32.store8 (i32.add (global.get $buffer) (global.get $used)) (i32.load8_u (local.get $text)))
      (global.set $used (i32.add (global.get $used) (i32.const 1)))
      (if (call $ends_line) (then (call $end_line)))
      (local.set $text (i32.add (local.get $text) (i32.const 1)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $next))))

  (func $ends_line (result i32)
    (if (i32.eqz (global.get $used)) (then (return (i32.const 0))))
    (i32.eq (i32.load8_u (i32.sub (i32.add (global.get $buffer) (global.get $used)) (i32.const 1)))
      (i32.const 10)))

  ;; A line is complete: log it. The first of a panic is an error; what belongs to it is not, so that the
  ;; message stays the last error.
  (func $end_line
    (if (call $is_fault) (then (global.set $level (global.get $error))))
    (call $flush)
    (if (i32.eq (global.get $level) (global.get $error)) (then (global.set $level (global.get $warn)))))

  ;; Whether stderr has `panic: ` or `fatal er…` in the buffer: seven or eight bytes, least significant first.
  (func $is_fault (result i32)
    (local $head i64)
    (if (i32.or (i32.lt_u (global.get $used) (i32.const 8)) (i32.ne (global.get $level) (global.get $warn)))
      (then (return (i32.const 0))))
    (local.set $head (i64.load (global.get $buffer)))
    (i32.or
      (i64.eq (i64.and (local.get $head) (i64.const 0x00ffffffffffffff)) (i64.const 0x203a63696e6170))
      (i64.eq (local.get $head) (i64.const 0x7265206c61746166))))

  ;; Logs what is in the buffer and empties it; nothing while the host may not be called.
  (func $flush
    (if (i32.eqz (global.get $outside)) (then (return)))
    (call $log (global.get $level) (global.get $buffer) (global.get $used))
    (global.set $used (i32.const 0)))

  ;; Without the end of the line, and not at all when nothing is left.
  (func $log (param $level i32) (param $text i32) (param $length i32)
    (block $trimmed (loop $next
      (br_if $trimmed (i32.eqz (local.get $length)))
      (br_if $trimmed (i32.ne (i32.const 10)
        (i32.load8_u (i32.sub (i32.add (local.get $text) (local.get $length)) (i32.const 1)))))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $next)))
    (if (i32.and (i32.ne (local.get $length) (i32.const 0)) (global.get $outside)) (then
      (call $host_log (local.get $level) (local.get $text) (local.get $length) (i32.const 4) (i32.const 0)))))

  ;; The end of the program is a trap: a controller does not end, it returns. Its last error says so.
  (func (export "proc_exit") (param $code i32)
    (call $flush)
    (if (i32.ge_u (global.get $capacity) (i32.const 40)) (then
      ;; `the program ended itself (os.Exit)`, eight bytes at a time.
      (i64.store (global.get $buffer) (i64.const 0x676f727020656874))
      (i64.store offset=8 (global.get $buffer) (i64.const 0x65646e65206d6172))
      (i64.store offset=16 (global.get $buffer) (i64.const 0x666c657374692064))
      (i64.store offset=24 (global.get $buffer) (i64.const 0x6978452e736f2820))
      (i64.store offset=32 (global.get $buffer) (i64.const 0x0000000000002974))
      (global.set $used (i32.const 34))
      (global.set $level (global.get $error))
      (call $flush)))
    unreachable)
  (func (export "proc_raise") (param $signal i32) (result i32)
    (call $flush)
    unreachable)

  ;; ---- what is not there ----------------------------------------------------------------------------------

  (func $nothing (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_sizes_get") (param i32 i32) (result i32) (call $nothing (local.get 0) (local.get 1)))
  (func (export "environ_sizes_get") (param i32 i32) (result i32) (call $nothing (local.get 0) (local.get 1)))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  ;; The standard streams are character devices with every right; there is no other file.
  (func (export "fd_fdstat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (global.get $badf))))
    (i64.store (local.get $out) (i64.const 2))
    (i64.store offset=8 (local.get $out) (i64.const -1))
    (i64.store offset=16 (local.get $out) (i64.const -1))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_filestat_get") (param $fd i32) (param $out i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (global.get $badf))))
    (memory.fill (local.get $out) (i32.const 0) (i32.const 64))
    (i32.store8 offset=16 (local.get $out) (i32.const 2))
    (i32.const 0))
  ;; Nothing to read: the end of the file.
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (global.get $badf))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (global.get $badf))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (global.get $badf))
  (func (export "fd_close") (param i32) (result i32) (global.get $badf))
  (func (export "fd_datasync") (param i32) (result i32) (global.get $badf))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (global.get $badf))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (global.get $badf))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (global.get $badf))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (global.get $badf))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (global.get $badf))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (global.get $badf))
  (func (export "fd_renumber") (param i32 i32) (result i32) (global.get $badf))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (global.get $badf))
  (func (export "fd_sync") (param i32) (result i32) (global.get $badf))
  (func (export "fd_tell") (param i32 i32) (result i32) (global.get $badf))

  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32)
    (global.get $notcapable))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)
    (global.get $notcapable))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (global.get $notcapable))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (global.get $notcapable))

  (func (export "sock_accept") (param i32 i32 i32) (result i32) (global.get $notsup))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (global.get $notsup))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (global.get $notsup))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (global.get $notsup))
)
