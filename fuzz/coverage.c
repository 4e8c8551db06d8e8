/* What libFuzzer asks of a sanitizer to print coverage: here addresses as the file has them, for llvm-symbolizer. */
#include <stddef.h>
#include <stdio.h>

extern const char __executable_start;

void __sanitizer_symbolize_pc(const char *pc, const char *format, char *out, size_t size) {
    snprintf(out, size, "%s0x%zx", *format == ' ' ? " " : "", (size_t)(pc - &__executable_start));
}

int __sanitizer_get_module_and_offset_for_pc(const char *pc, char *module, size_t size, const char **offset) {
    snprintf(module, size, "self");
    *offset = (const char *)(pc - &__executable_start);
    return 1;
}
