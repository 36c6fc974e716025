# The pause program: holds a pod's namespaces open and does nothing else. As process 1 of a pod that shares its process
# namespace it also reaps: SIGCHLD ignored makes the kernel reap by itself (sigaction(2)). It ends on SIGTERM and SIGINT.
    .intel_syntax noprefix
    .text
    .globl _start
_start:
    mov  eax, 13                 # rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8)
    mov  edi, 17
    lea  rsi, [rip + ignore]
    xor  edx, edx
    mov  r10d, 8
    syscall
    mov  eax, 14                 # rt_sigprocmask(SIG_BLOCK, {TERM, INT}, NULL, 8): a blocked signal reaches process 1 too
    xor  edi, edi
    lea  rsi, [rip + mask]
    xor  edx, edx
    mov  r10d, 8
    syscall
wait:
    mov  eax, 128                # rt_sigtimedwait(mask, NULL, NULL, 8)
    lea  rdi, [rip + mask]
    xor  esi, esi
    xor  edx, edx
    mov  r10d, 8
    syscall
    test eax, eax
    jle  wait
    mov  eax, 231                # exit_group(0)
    xor  edi, edi
    syscall
    .balign 8
ignore:
    .quad 1, 0, 0, 0             # handler SIG_IGN, flags, restorer, mask
mask:
    .quad 0x4002                 # bits 15-1 (TERM) and 2-1 (INT)
