// Lets the guests' User-Mode Linux kernel run on processors with AMX: its kernel saves 2,696 octets of extended state,
// and the host's ptrace takes the whole of what the processor has (11,008 octets with AMX) or nothing. Loaded before the
// kernel (LD_PRELOAD), it completes what is set by what was there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static char whole[64 * 1024] __attribute__((aligned(64)));

long ptrace(enum __ptrace_request request, ...)
{
	static long (*next)(enum __ptrace_request, ...);
	va_list args;
	va_start(args, request);
	long pid = va_arg(args, long);
	void *addr = va_arg(args, void *);
	void *data = va_arg(args, void *);
	va_end(args);
	if (!next)
		next = dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE) {
		struct iovec *part = data, all = { whole, sizeof(whole) };
		long r = next(PTRACE_GETREGSET, pid, addr, &all);
		if (r < 0)
			return r;
		if (part->iov_len < all.iov_len) {
			memcpy(whole, part->iov_base, part->iov_len);
			return next(request, pid, addr, &all);
		}
	}
	return next(request, pid, addr, data);
}
