/*
 * Lets User Mode Linux run on machines whose CPU has more state than its kernel knows, such as AMX.
 *
 * linux.uml writes the floating-point registers of its processes with PTRACE_SETREGSET from a buffer of some 2 KiB. Where the
 * host's own XSTATE is larger, the host refuses that with EFAULT, and the guest dies at boot: "ptrace set fp regs failed".
 * So its data is copied over the current state, and the whole state is written. On other machines that changes nothing.
 *
 * Used as LD_PRELOAD: ptrace here is found before that of glibc, and does what glibc's does.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long set_xstate(long pid, const struct iovec *given)
{
    static __thread char state[1 << 16] __attribute__((aligned(64)));
    struct iovec whole = {state, sizeof state};

    if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &whole) < 0)
        return -1;
    memcpy(state, given->iov_base, given->iov_len < whole.iov_len ? given->iov_len : whole.iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    long pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
        return set_xstate(pid, data);
    if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
        /* The system call writes the word to where data points; the C function returns it, so -1 may be a word: errno tells. */
        long word;
        if (syscall(SYS_ptrace, request, pid, address, &word) < 0)
            return -1;
        errno = 0;
        return word;
    }
    return syscall(SYS_ptrace, request, pid, address, data);
}
