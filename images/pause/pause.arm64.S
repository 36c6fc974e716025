// The pause program; see pause.amd64.S for what it does and why.
    .text
    .globl _start
_start:
    mov  x8, #134                // rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8)
    mov  x0, #17
    adr  x1, ignore
    mov  x2, #0
    mov  x3, #8
    svc  #0
    mov  x8, #135                // rt_sigprocmask(SIG_BLOCK, {TERM, INT}, NULL, 8)
    mov  x0, #0
    adr  x1, mask
    mov  x2, #0
    mov  x3, #8
    svc  #0
wait:
    mov  x8, #137                // rt_sigtimedwait(mask, NULL, NULL, 8)
    adr  x0, mask
    mov  x1, #0
    mov  x2, #0
    mov  x3, #8
    svc  #0
    cmp  w0, #0
    b.le wait
    mov  x8, #94                 // exit_group(0)
    mov  x0, #0
    svc  #0
    .balign 8
ignore:
    .quad 1, 0, 0, 0             // handler SIG_IGN, flags, restorer, mask
mask:
    .quad 0x4002
